//! What a dashboard is started with.

use std::net::IpAddr;
use std::path::PathBuf;

/// Where runs are and where to listen.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory of runs.
    pub runs: PathBuf,
    /// The address to listen at. Any other than a loopback address needs a token, which is drawn at
    /// random.
    pub host: IpAddr,
    /// The port; 0 lets the system choose.
    pub port: u16,
    /// Names under which it may be asked for, beside IP addresses and `localhost`.
    pub names: Vec<String>,
    /// Asks for a token at a loopback address too, where other people use the same machine.
    pub token: bool,
}
