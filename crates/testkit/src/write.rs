//! Writing an [`Act`] to a connection, byte for byte.

use std::io::{ErrorKind, Result};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::script::{Act, End, Reply};

/// Does what the script says. False if the connection is over.
pub(crate) async fn perform(act: Act, stream: &mut TcpStream) -> Result<bool> {
    match act {
        Act::Answer(reply) => {
            pause(reply.delay, stream).await?;
            stream.write_all(&answer_bytes(&reply)).await?;
            Ok(true)
        }
        Act::Pieces {
            status,
            headers,
            pieces,
            then,
        } => {
            let mut head = head_bytes(status, &headers);
            head.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
            stream.write_all(&head).await?;
            for (wait, piece) in pieces {
                pause(wait, stream).await?;
                if !piece.is_empty() {
                    stream.write_all(&chunk_bytes(&piece)).await?;
                }
            }
            if matches!(then, End::KeepAlive | End::Close) {
                stream.write_all(b"0\r\n\r\n").await?;
            }
            end(then, stream).await
        }
        Act::Raw { bytes, then } => {
            for (wait, piece) in bytes {
                pause(wait, stream).await?;
                stream.write_all(&piece).await?;
            }
            end(then, stream).await
        }
        Act::Silence => {
            wait_for_close(stream).await;
            Ok(false)
        }
        Act::Reset => end(End::Reset, stream).await,
    }
}

/// Waits, but no longer than the client stays, so that requests it gave up do not count as open.
async fn pause(wait: Duration, stream: &TcpStream) -> Result<()> {
    // A timer of zero still waits for the next tick of the clock, so none is set.
    if wait.is_zero() {
        return Ok(());
    }
    let time = sleep(wait);
    tokio::pin!(time);
    let mut byte = [0];
    tokio::select! {
        () = &mut time => return Ok(()),
        peeked = stream.peek(&mut byte) => {
            if peeked? == 0 {
                return Err(ErrorKind::ConnectionAborted.into());
            }
        }
    }
    // The next request is there already; it stays unread until this one is answered.
    time.await;
    Ok(())
}

async fn end(end: End, stream: &mut TcpStream) -> Result<bool> {
    match end {
        End::KeepAlive => return Ok(true),
        End::Close | End::CutChunked => stream.shutdown().await?,
        // A socket without linger time is reset, not closed, when it is dropped.
        End::Reset => stream.set_zero_linger()?,
    }
    Ok(false)
}

/// Returns when the client has closed; what it still sends is thrown away.
async fn wait_for_close(stream: &mut TcpStream) {
    let mut bytes = [0; 1024];
    while matches!(stream.read(&mut bytes).await, Ok(count) if count > 0) {}
}

fn answer_bytes(reply: &Reply) -> Vec<u8> {
    let mut bytes = head_bytes(reply.status, &reply.headers);
    bytes.extend_from_slice(b"content-length: ");
    bytes.extend_from_slice(reply.body.len().to_string().as_bytes());
    bytes.extend_from_slice(b"\r\n\r\n");
    bytes.extend_from_slice(&reply.body);
    bytes
}

fn head_bytes(status: u16, headers: &[(String, String)]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status)).into_bytes();
    for (name, value) in headers {
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head
}

fn chunk_bytes(piece: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:x}\r\n", piece.len()).into_bytes();
    bytes.extend_from_slice(piece);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// The words after the status; clients ignore them, people who read a capture do not.
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        529 => "Overloaded",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::{answer_bytes, chunk_bytes};
    use crate::script::Reply;

    #[test]
    fn an_answer_says_its_length() {
        let bytes = answer_bytes(&Reply::new(200, "text/plain", "hello"));
        assert_eq!(
            bytes,
            b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello"
        );
    }

    #[test]
    fn the_size_of_a_chunk_is_hexadecimal() {
        assert_eq!(&chunk_bytes(&[b'x'; 26])[..4], b"1a\r\n");
    }
}
