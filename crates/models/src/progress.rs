//! How a download tells whoever waits for it how far it is.

/// Receives the progress of one fetch. Several `started` … `finished` pairs may follow each other,
/// never within each other.
pub trait Progress {
    /// Something begins: what, in words, and how many bytes it will be if that is known.
    fn started(&self, what: &str, total: Option<u64>);
    /// So many more bytes are done.
    fn advanced(&self, bytes: u64);
    /// What was started last is over, well or badly.
    fn finished(&self);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn started(&self, _what: &str, _total: Option<u64>) {}
    fn advanced(&self, _bytes: u64) {}
    fn finished(&self) {}
}

/// Reports the end when it goes out of scope, so that an early return cannot forget it.
pub(crate) struct Running<'a>(&'a dyn Progress);

impl<'a> Running<'a> {
    pub(crate) fn start(progress: &'a dyn Progress, what: &str, total: Option<u64>) -> Self {
        progress.started(what, total);
        Self(progress)
    }

    pub(crate) fn advance(&self, bytes: u64) {
        self.0.advanced(bytes);
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.finished();
    }
}
