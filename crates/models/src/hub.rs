//! Files of Hugging Face repositories, over HTTPS, resuming what was cut off.

use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::time::Duration;

use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

use crate::SourceError;
use crate::cache::{self, Place};
use crate::progress::{Progress, Running};
use crate::sum::{CopyError, Summing};

/// Attempts in a row that bring nothing before the download is given up for now.
const FRUITLESS: u32 = 3;
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// Without a byte for so long, a connection is dead.
const SILENCE: Duration = Duration::from_mins(1);

/// One file to download.
pub(crate) struct Download<'a> {
    /// Where it is.
    pub(crate) url: String,
    /// Where it goes.
    pub(crate) place: &'a Place,
    /// More bytes than this are refused.
    pub(crate) limit: u64,
    /// True if the sum of the whole file is going to be checked, so that resuming without the
    /// server's word that the file is still the same is safe.
    pub(crate) pinned: bool,
}

/// How one attempt ended.
enum Attempt {
    Complete,
    Broken(String),
}

/// The address of a file.
pub(crate) fn url(endpoint: &str, repository: &str, revision: &str, file: &str) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    format!(
        "{endpoint}/{repository}/resolve/{revision}/{}",
        encode(file)
    )
}

/// Percent-encodes everything in a path that is not plainly itself.
fn encode(path: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

impl Download<'_> {
    /// Downloads the file, or the rest of it, into a partial file; that and the sum of it all.
    pub(crate) fn run(&self, progress: &dyn Progress) -> Result<(PathBuf, String), SourceError> {
        let partial = self.place.beside("partial");
        let failed = |reason| SourceError::file(&partial, "downloading the model", reason);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&partial)
            .map_err(failed)?;
        let mut summing = Summing::append(&mut file).map_err(failed)?;
        let agent = self.agent();
        let mut fruitless = 0;
        loop {
            let before = summing.written();
            let reason = match self.attempt(&agent, &mut summing, progress)? {
                Attempt::Complete => break,
                Attempt::Broken(reason) => reason,
            };
            fruitless = if summing.written() > before {
                0
            } else {
                fruitless + 1
            };
            if fruitless == FRUITLESS {
                return Err(self.broken(reason));
            }
            tracing::debug!(url = self.url, reason, "the download is tried again");
            std::thread::sleep(PAUSE);
        }
        let sha256 = summing.finish().map_err(failed)?;
        Ok((partial, sha256))
    }

    fn agent(&self) -> Agent {
        Agent::config_builder()
            .http_status_as_error(false)
            // An endpoint without encryption is somebody's choice; a redirect to one is not.
            .https_only(!self.url.starts_with("http://"))
            .timeout_resolve(Some(SILENCE))
            .timeout_connect(Some(SILENCE))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .user_agent(concat!("autodidact/", env!("CARGO_PKG_VERSION")))
            .build()
            .into()
    }

    /// One request, from where the partial file ends.
    fn attempt(
        &self,
        agent: &Agent,
        summing: &mut Summing<'_>,
        progress: &dyn Progress,
    ) -> Result<Attempt, SourceError> {
        let write_failed = |reason| {
            SourceError::file(
                &self.place.beside("partial"),
                "downloading the model",
                reason,
            )
        };
        let mut request = agent.get(&self.url);
        let tag = fs::read_to_string(self.place.beside("tag")).ok();
        if summing.written() > 0 && (self.pinned || tag.is_some()) {
            request = request.header(header::RANGE, format!("bytes={}-", summing.written()));
            if let Some(tag) = &tag {
                // The server sends the whole file instead if it is another one by now.
                request = request.header(header::IF_RANGE, tag);
            }
        }
        let response = match request.call() {
            Ok(response) => response,
            Err(error) => return Ok(Attempt::Broken(error.to_string())),
        };
        match response.status() {
            StatusCode::PARTIAL_CONTENT if starts_at(&response) == Some(summing.written()) => {}
            StatusCode::OK => summing.restart().map_err(write_failed)?,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                // What is there does not fit what the server has. Start over.
                self.forget(summing).map_err(write_failed)?;
                return Ok(Attempt::Broken("the server could not resume it".to_owned()));
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                return Ok(Attempt::Broken(format!("the server answered {status}")));
            }
            status => return Err(self.refused(status)),
        }
        self.remember_tag(&response);
        self.receive(response, summing, progress)
    }

    /// Copies the body of an answer behind what is there already.
    fn receive(
        &self,
        response: Response<Body>,
        summing: &mut Summing<'_>,
        progress: &dyn Progress,
    ) -> Result<Attempt, SourceError> {
        let rest = response.body().content_length();
        let total = rest.map(|rest| rest + summing.written());
        if let Some(bytes) = total.filter(|bytes| *bytes > self.limit) {
            return Err(self.too_large(bytes));
        }
        let what = format!("downloading {}", self.place.name());
        let running = Running::start(progress, &what, total);
        running.advance(summing.written());
        let mut body = response
            .into_body()
            .into_with_config()
            .limit(u64::MAX)
            .reader();
        match summing.copy(&mut body, self.limit, &running) {
            Ok(true) if total.is_none_or(|total| total == summing.written()) => {
                Ok(Attempt::Complete)
            }
            Ok(true) => Ok(Attempt::Broken("the connection was cut".to_owned())),
            Ok(false) => Err(self.too_large(self.limit + 1)),
            Err(CopyError::Read(error)) => Ok(Attempt::Broken(error.to_string())),
            Err(CopyError::Write(error)) => Err(SourceError::file(
                &self.place.beside("partial"),
                "downloading the model",
                error,
            )),
        }
    }

    /// Keeps the server's name for this version of the file, for the next attempt. A weak one does
    /// not promise equal bytes.
    fn remember_tag(&self, response: &Response<Body>) {
        let path = self.place.beside("tag");
        let tag = response.headers().get(header::ETAG);
        let kept = match tag.and_then(|tag| tag.to_str().ok()) {
            Some(tag) if !tag.starts_with("W/") => fs::write(&path, tag),
            _ => cache::remove_if_there(&path),
        };
        if let Err(error) = kept {
            tracing::debug!(%error, path = %path.display(), "no tag is kept");
        }
    }

    fn forget(&self, summing: &mut Summing<'_>) -> std::io::Result<()> {
        let _ = fs::remove_file(self.place.beside("tag"));
        summing.restart()
    }

    fn too_large(&self, bytes: u64) -> SourceError {
        self.place.discard();
        SourceError::TooLarge {
            bytes,
            limit: self.limit,
        }
    }

    fn broken(&self, reason: String) -> SourceError {
        SourceError::Transfer {
            url: self.url.clone(),
            reason,
        }
    }

    fn refused(&self, status: StatusCode) -> SourceError {
        SourceError::Status {
            url: self.url.clone(),
            status: status.as_u16(),
            advice: match status.as_u16() {
                401 | 403 => {
                    "the model needs an account or its terms accepted (or does not exist): download the file by hand and put its path in `student.model`"
                }
                404 => "check the owner, the name, the revision and the file",
                _ => "download the file by hand and put its path in `student.model`",
            },
        }
    }
}

/// Where the bytes of a partial answer begin.
fn starts_at(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?;
    let bytes = range.to_str().ok()?.strip_prefix("bytes ")?;
    bytes.split_once('-')?.0.parse().ok()
}
