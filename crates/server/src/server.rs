//! The socket: accepting, limits of connections, and an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::access::{Access, Token};
use crate::catalog::{Catalog, Served};
use crate::error::ServerError;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::observed::Observers;
use crate::router::{App, router};
use crate::telemetry::{Exporter, TelemetrySettings};

/// How long accepting rests after it failed, for instance for want of file descriptors.
const REST: Duration = Duration::from_millis(100);

/// How a server is run.
#[derive(Debug, Clone, Default)]
pub struct ServerOptions {
    /// What clients must show; needed unless the address is a loopback one.
    pub token: Option<Token>,
    /// How much requests may ask for.
    pub limits: Limits,
    /// Where spans go.
    pub telemetry: Option<TelemetrySettings>,
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    app: Arc<App>,
}

impl Server {
    /// Listens on an address; port 0 takes a free one. An address that other machines reach needs a
    /// token.
    pub async fn bind(
        address: SocketAddr,
        catalog: Catalog,
        options: ServerOptions,
    ) -> Result<Self, ServerError> {
        catalog.check()?;
        let loopback = address.ip().to_canonical().is_loopback();
        if !loopback && options.token.is_none() {
            return Err(ServerError::NeedsToken(address));
        }
        let failed = |source| ServerError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let exporter = options
            .telemetry
            .as_ref()
            .map(Exporter::start)
            .transpose()?;
        let app = App {
            catalog,
            limits: options.limits,
            access: Access {
                token: options.token,
                loopback,
            },
            observers: Arc::new(Observers {
                metrics: Metrics::new(),
                exporter,
            }),
        };
        Ok(Self {
            listener,
            address,
            app: Arc::new(app),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The models' names.
    pub fn models(&self) -> Vec<String> {
        self.app.catalog.names()
    }

    /// Answers until `stop` comes. Requests under way then have the draining time of the limits to
    /// end; after it they are cut off.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let router = router(&self.app);
        let limits = &self.app.limits;
        let places = Arc::new(Semaphore::new(limits.connections));
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        tokio::pin!(stop);
        loop {
            let accepted = async {
                let place = places.clone().acquire_owned().await;
                (place, self.listener.accept().await)
            };
            tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next() => {}
                (place, accepted) = accepted => {
                    if let Ok((stream, _)) = accepted {
                        let served = serve(stream, router.clone(), limits.reading, &graceful);
                        connections.spawn(async move {
                            let _place = place;
                            served.await;
                        });
                    } else {
                        tokio::time::sleep(REST).await;
                    }
                }
            }
        }
        drop(self.listener);
        let _ = tokio::time::timeout(limits.draining, graceful.shutdown()).await;
        connections.shutdown().await;
        for model in self.app.catalog.served() {
            if let Served::Ensemble(ensemble) = model {
                ensemble.flush().await;
            }
        }
    }
}

/// One connection. A client that goes away takes its request with it.
fn serve(
    stream: TcpStream,
    router: Router,
    reading: Duration,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + use<> {
    // Tokens are small and should not wait for each other.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(reading)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let watched = graceful.watch(connection);
    async move {
        if let Err(error) = watched.await {
            tracing::debug!("a connection ended: {error}");
        }
    }
}
