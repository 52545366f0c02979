//! A small HTTP server in this process, which answers as it is told, also badly.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// A proxy is to lead on.
    pub is_tunnel: bool,
    pub path: String,
    pub query: BTreeMap<String, String>,
    /// Names in small letters.
    pub headers: BTreeMap<String, String>,
}

impl Asked {
    pub fn number(&self, name: &str) -> i64 {
        self.query.get(name).and_then(|it| it.parse().ok()).unwrap_or(0)
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The body ends after so many bytes, though its length was said.
    pub cut_at: Option<usize>,
    /// Before the head.
    pub delay: Duration,
    /// Before each byte of the body.
    pub trickle: Duration,
    /// Nothing is sent at all.
    pub hang_up: bool,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Reply {
        Reply {
            status,
            headers: Vec::new(),
            body: body.into(),
            cut_at: None,
            delay: Duration::ZERO,
            trickle: Duration::ZERO,
            hang_up: false,
        }
    }

    pub fn ok(body: impl Into<Vec<u8>>) -> Reply {
        Reply::new(200, body)
    }

    pub fn with(mut self, name: &str, value: &str) -> Reply {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A server for the time of a test.
pub struct Server {
    pub url: String,
    log: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub fn start(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::new(Mutex::new(Vec::new()));
        let (handler, seen) = (Arc::new(handler), Arc::clone(&log));
        // Until the process ends.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (handler, seen) = (Arc::clone(&handler), Arc::clone(&seen));
                std::thread::spawn(move || {
                    let _ = serve(stream, &|asked| {
                        seen.lock().unwrap().push(asked.clone());
                        handler(asked)
                    });
                });
            }
        });
        Server { url, log }
    }

    /// Everything asked so far.
    pub fn log(&self) -> Vec<Asked> {
        self.log.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, handler: &dyn Fn(&Asked) -> Reply) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(asked) = read_request(&mut reader)? {
        if asked.is_tunnel {
            // As a proxy: what follows is for the host behind, which is us.
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            continue;
        }
        let reply = handler(&asked);
        std::thread::sleep(reply.delay);
        if reply.hang_up {
            return Ok(());
        }
        let mut head = format!("HTTP/1.1 {} X\r\ncontent-length: {}\r\n", reply.status, reply.body.len());
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        let sent = &reply.body[..reply.cut_at.unwrap_or(reply.body.len())];
        if reply.trickle.is_zero() {
            stream.write_all(sent)?;
        } else {
            for byte in sent {
                std::thread::sleep(reply.trickle);
                stream.write_all(&[*byte])?;
            }
        }
        stream.flush()?;
        if reply.cut_at.is_some() {
            return Ok(());
        }
    }
    Ok(())
}

fn read_request(reader: &mut impl BufRead) -> std::io::Result<Option<Asked>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let is_tunnel = line.starts_with("CONNECT ");
    let target = line.split_whitespace().nth(1).unwrap_or("/").to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|it| it.parse().ok()).unwrap_or(0);
    reader.take(length).read_to_end(&mut Vec::new())?;
    let target = if is_tunnel { "/".to_owned() } else { target };
    let url = url::Url::parse("http://host").unwrap().join(&target).unwrap();
    let query = url.query_pairs().map(|(key, value)| (key.into_owned(), value.into_owned())).collect();
    Ok(Some(Asked { is_tunnel, path: url.path().to_owned(), query, headers }))
}
