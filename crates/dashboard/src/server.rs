//! Listening and answering. Connections are few, bodies small and headers quick, so that nobody can
//! hold the dashboard up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::access::Access;
use crate::catalog::Catalog;
use crate::routes::{App, router};
use crate::{DashboardError, Options};

/// Connections at once; later ones wait to be accepted.
const CONNECTIONS: usize = 2048;
/// How long a request's headers may take.
const HEADERS: Duration = Duration::from_secs(10);

/// A dashboard that listens.
#[derive(Debug)]
pub struct Dashboard {
    listener: TcpListener,
    address: SocketAddr,
    app: App,
}

impl Dashboard {
    /// Binds the address.
    ///
    /// # Errors
    /// [`DashboardError::NoRuns`] if there is no directory of runs, [`DashboardError::Listen`] if the
    /// address is taken or not this machine's.
    pub async fn open(options: Options) -> Result<Self, DashboardError> {
        if !options.runs.is_dir() {
            return Err(DashboardError::NoRuns {
                directory: options.runs,
            });
        }
        let access = Access::new(options.host, options.token, &options.names)?;
        let wanted = SocketAddr::new(options.host, options.port);
        let failed = |source| DashboardError::Listen {
            address: wanted,
            source,
        };
        let listener = TcpListener::bind(wanted).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let app = App::new(Catalog::new(options.runs), access);
        Ok(Self {
            listener,
            address,
            app,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to open in a browser; holds the token, where one is needed.
    pub fn url(&self) -> String {
        let query = self
            .app
            .access()
            .token()
            .map_or_else(String::new, |token| format!("?token={token}"));
        format!("http://{}/{query}", self.address)
    }

    /// Answers until `end` is over. What is under way then is cut off: nothing is lost by it.
    pub async fn serve(self, end: impl Future<Output = ()>) {
        let router = router(self.app);
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let mut end = std::pin::pin!(end);
        let mut tasks = tokio::task::JoinSet::new();
        loop {
            let next = async {
                let place = room.clone().acquire_owned().await;
                (place, self.listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                () = &mut end => return,
                next = next => next,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Too many open files, most likely; they become fewer.
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            while tasks.try_join_next().is_some() {}
            let router = router.clone();
            tasks.spawn(async move {
                connection(stream, router).await;
                drop(place);
            });
        }
    }
}

async fn connection(stream: TcpStream, router: axum::Router) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}
