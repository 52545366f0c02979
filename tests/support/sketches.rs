//! Random traces in the notation of `model::sketch`.

use std::fmt::Write;

/// A small generator of numbers: the same seed gives the same traces.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }

    fn pick<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.below(texts.len() as u64) as usize]
    }
}

/// A trace of up to 12 spans over few services, with errors, queues, databases, proxies and unknown durations.
pub fn sketch(random: &mut Random) -> String {
    let mut text = String::new();
    let mut depth = 0;
    // Traces start minutes apart, so that timelines have something to do.
    let base = random.below(100) * 30_000;
    for nth in 0..=random.below(12) {
        depth = if nth == 0 { 0 } else { random.below(depth + 2).max(u64::from(random.below(20) > 0)) };
        let start = base + random.below(50);
        let end = if random.below(20) == 0 { "?".to_owned() } else { (start + random.below(60)).to_string() };
        let service = random.pick(&["web", "cart", "db", "mail", "a:b", "cart.shop", "istio-proxy"]);
        let operation = random.pick(&["GET /", "SELECT", "handle", "publish order"]);
        let indent = "  ".repeat(depth as usize);
        write!(text, "{indent}{service} {operation} {start}..{end}").unwrap();
        for (one_in, words) in [
            (4, "client"),
            (5, "server"),
            (9, "producer"),
            (9, "consumer"),
            (5, "! error.message=timeout_after_12ms"),
            (9, "! http.status_code=503"),
            (12, "~"),
            (6, "db.system=postgresql db.statement=SELECT_1"),
            (9, "peer.service=bank"),
            (9, "messaging.system=kafka"),
            (15, "?99"),
            (6, "component=proxy"),
            (12, "upstream_cluster=inbound|80||"),
            (12, "upstream_cluster=outbound|80||cart.shop.svc.cluster.local"),
            (12, "! response_flags=UF,URX"),
        ] {
            if random.below(one_in) == 0 {
                write!(text, " {words}").unwrap();
            }
        }
        text.push('\n');
    }
    text
}
