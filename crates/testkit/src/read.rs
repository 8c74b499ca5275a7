//! Reading requests off a connection: HTTP/1.1 with lengths or chunks, kept alive.

use std::io::{Error, ErrorKind, Result};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest head that is read.
const HEAD_BYTES: usize = 64 * 1024;
/// Largest body that is read: more than any provider takes.
const BODY_BYTES: usize = 256 * 1024 * 1024;
/// Most headers of one request.
const HEADERS: usize = 96;

/// A request without its place in the order of the server.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) at: Instant,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// False if the client will close after the answer.
    pub(crate) keep_alive: bool,
}

struct Head {
    length: usize,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    minor: u8,
}

impl Head {
    fn has(&self, name: &str, word: &str) -> bool {
        self.headers.iter().any(|(known, value)| {
            known == name
                && value
                    .to_ascii_lowercase()
                    .split(',')
                    .any(|w| w.trim() == word)
        })
    }

    fn content_length(&self) -> usize {
        self.headers
            .iter()
            .find(|(name, _)| name == "content-length")
            .and_then(|(_, value)| value.trim().parse().ok())
            .unwrap_or(0)
    }
}

/// The reading half of a connection: what was read and not yet used stays in `buffer`.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    buffer: Vec<u8>,
}

impl Reader {
    /// The next request; `None` if the client closed the connection between two of them.
    pub(crate) async fn next(&mut self, stream: &mut TcpStream) -> Result<Option<Request>> {
        if self.buffer.is_empty() && self.fill(stream).await? == 0 {
            return Ok(None);
        }
        let at = Instant::now();
        let head = loop {
            if let Some(head) = parse_head(&self.buffer)? {
                break head;
            }
            self.need_more(stream).await?;
        };
        self.buffer.drain(..head.length);
        if head.has("expect", "100-continue") {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let body = if head.has("transfer-encoding", "chunked") {
            self.chunked(stream).await?
        } else {
            let length = head.content_length();
            check_size(length)?;
            self.take(stream, length).await?
        };
        let keep_alive = if head.minor == 0 {
            head.has("connection", "keep-alive")
        } else {
            !head.has("connection", "close")
        };
        Ok(Some(Request {
            at,
            method: head.method,
            path: head.path,
            headers: head.headers,
            body,
            keep_alive,
        }))
    }

    async fn fill(&mut self, stream: &mut TcpStream) -> Result<usize> {
        self.buffer.reserve(16 * 1024);
        stream.read_buf(&mut self.buffer).await
    }

    async fn need_more(&mut self, stream: &mut TcpStream) -> Result<()> {
        if self.fill(stream).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    async fn take(&mut self, stream: &mut TcpStream, length: usize) -> Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.need_more(stream).await?;
        }
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    async fn chunked(&mut self, stream: &mut TcpStream) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let (used, size) = loop {
                match httparse::parse_chunk_size(&self.buffer) {
                    Ok(httparse::Status::Complete((used, size))) => break (used, size as usize),
                    Ok(httparse::Status::Partial) => self.need_more(stream).await?,
                    Err(_) => return Err(invalid("a chunk has no readable size")),
                }
            };
            check_size(body.len().saturating_add(size))?;
            self.buffer.drain(..used);
            // The chunk and its line end. Trailers are not expected of any client.
            let mut chunk = self.take(stream, size + 2).await?;
            chunk.truncate(size);
            body.append(&mut chunk);
            if size == 0 {
                return Ok(body);
            }
        }
    }
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidData, message.to_owned())
}

fn check_size(bytes: usize) -> Result<()> {
    if bytes > BODY_BYTES {
        return Err(invalid("the body is larger than 256 MiB"));
    }
    Ok(())
}

fn parse_head(bytes: &[u8]) -> Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let parsed = request
        .parse(bytes)
        .map_err(|error| invalid(&error.to_string()))?;
    let httparse::Status::Complete(length) = parsed else {
        if bytes.len() > HEAD_BYTES {
            return Err(invalid("the head is longer than 64 KiB"));
        }
        return Ok(None);
    };
    Ok(Some(Head {
        length,
        method: request.method.unwrap_or_default().to_owned(),
        path: request.path.unwrap_or_default().to_owned(),
        minor: request.version.unwrap_or(1),
        headers: request
            .headers
            .iter()
            .map(|header| {
                (
                    header.name.to_ascii_lowercase(),
                    String::from_utf8_lossy(header.value).into_owned(),
                )
            })
            .collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::parse_head;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let head = b"POST /v1/a?b=c HTTP/1.1\r\nContent-Length: 3\r\nConnection: Close\r\n\r\nabc";
        for end in 0..head.len() - 4 {
            assert!(parse_head(&head[..end]).unwrap().is_none(), "{end}");
        }
        let parsed = parse_head(head).unwrap().unwrap();
        assert_eq!(parsed.length, head.len() - 3);
        assert_eq!(
            (parsed.method.as_str(), parsed.path.as_str()),
            ("POST", "/v1/a?b=c")
        );
        assert_eq!(parsed.content_length(), 3);
        assert!(parsed.has("connection", "close"));
    }

    #[test]
    fn other_bytes_are_refused() {
        assert!(parse_head(b"\x16\x03\x01\x02\x00\x01\x00").is_err());
    }
}
