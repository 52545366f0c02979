//! Flags for servers: what is fetched of them, and how they are reached.

use std::path::PathBuf;

use clap::Args;

use super::parse;
use crate::fetch::Api;

/// As typed; files and the environment have yet to be read.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Server")]
pub struct ServerArgs {
    /// Fetch the traces of every service, one after the other
    #[arg(long)]
    pub all_services: bool,

    /// Fetch at most this many traces, the newest first as far as the server has them so
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,

    /// Exit with status 0 also if faults left gaps; the report says so all the same
    #[arg(long)]
    pub partial: bool,

    /// The server's API, where finding out fails
    #[arg(long, value_name = "API", value_enum)]
    pub api: Option<Api>,

    /// Send this header with each request: 'Name: value', or @FILE with one a line (repeated: all)
    #[arg(short = 'H', long, value_name = "HEADER")]
    pub header: Vec<String>,

    /// Send the token in this file; without, that of ANALYZE_TRACES_TOKEN if it is set
    #[arg(long, value_name = "FILE", conflicts_with = "user")]
    pub token_file: Option<PathBuf>,

    /// Send this user name and the password of ANALYZE_TRACES_PASSWORD
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,

    /// Ask for this tenant's traces: headers x-tenant (Jaeger) and X-Scope-OrgID (Tempo)
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,

    /// Trust the certificate authorities in this file (PEM) too
    #[arg(long, value_name = "FILE")]
    pub ca_cert: Option<PathBuf>,

    /// Show this certificate (PEM, with its key unless there is --client-key)
    #[arg(long, value_name = "FILE")]
    pub client_cert: Option<PathBuf>,

    /// The key of --client-cert (PEM)
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub client_key: Option<PathBuf>,

    /// Check no certificate
    #[arg(long)]
    pub insecure: bool,

    /// How long a request may take, with its answer
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse::timeout)]
    pub timeout: std::time::Duration,

    /// How many traces are asked for at once
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub page_size: u32,

    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
}
