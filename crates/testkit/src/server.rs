//! An HTTP/1.1 server on the loopback interface that does exactly what a test tells it to.

use std::io::Result;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinSet};

use crate::read::Reader;
use crate::script::{Act, Received};
use crate::write::perform;

/// Most requests that are kept for [`Server::received`]; further ones are only counted.
const RECORDED: usize = 200_000;

/// A running server; dropping it closes its port and breaks its connections.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    state: Arc<State>,
    stop: Stop,
}

#[derive(Debug)]
enum Stop {
    /// The task of a runtime that belongs to the caller.
    Task(AbortHandle),
    /// A thread with a runtime of its own, which ends when this is dropped.
    Thread { _end: oneshot::Sender<()> },
}

#[derive(Debug, Default)]
struct State {
    count: AtomicUsize,
    in_flight: AtomicUsize,
    in_flight_peak: AtomicUsize,
    record: bool,
    received: Mutex<Vec<Received>>,
}

impl State {
    fn received(&self) -> MutexGuard<'_, Vec<Received>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, request: &Received) {
        if self.record {
            let mut received = self.received();
            if received.len() < RECORDED {
                received.push(request.clone());
            }
        }
    }
}

/// Counts a request as in flight for as long as it lives.
struct InFlight<'a>(&'a State);

impl<'a> InFlight<'a> {
    fn new(state: &'a State) -> Self {
        let now = state.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        state.in_flight_peak.fetch_max(now, Ordering::Relaxed);
        Self(state)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

type Script = Arc<dyn Fn(&Received) -> Act + Send + Sync>;

impl Server {
    /// Starts on a free port of 127.0.0.1, in the runtime of the caller.
    pub async fn start(act: impl Fn(&Received) -> Act + Send + Sync + 'static) -> Result<Self> {
        Self::start_on(0, act).await
    }

    /// Starts on that port of 127.0.0.1; fails if it is taken.
    pub async fn start_on(
        port: u16,
        act: impl Fn(&Received) -> Act + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::bind(port, true, Arc::new(act)).await
    }

    /// Starts without keeping the requests, for measurements. Port 0 is any free port.
    pub async fn start_unrecorded(
        port: u16,
        act: impl Fn(&Received) -> Act + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::bind(port, false, Arc::new(act)).await
    }

    /// Starts on a free port in a thread with a runtime of its own: for tests that are not
    /// asynchronous, or that stop their runtime's clock.
    pub fn start_in_thread(act: impl Fn(&Received) -> Act + Send + Sync + 'static) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let state = Arc::new(State {
            record: true,
            ..State::default()
        });
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let (end, ended) = oneshot::channel();
        let served = serve(listener, Arc::clone(&state), Arc::new(act));
        std::thread::Builder::new()
            .name("testkit-server".into())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = served => (),
                        _ = ended => (),
                    }
                });
            })?;
        Ok(Self {
            address,
            state,
            stop: Stop::Thread { _end: end },
        })
    }

    async fn bind(port: u16, record: bool, act: Script) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            record,
            ..State::default()
        });
        let task = tokio::spawn(serve(listener, Arc::clone(&state), act));
        Ok(Self {
            address,
            state,
            stop: Stop::Task(task.abort_handle()),
        })
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The requests so far in order of arrival, the first 200 000 of them.
    pub fn received(&self) -> Vec<Received> {
        let mut received = self.state.received().clone();
        received.sort_by_key(|request| request.number);
        received
    }

    /// Most requests that were open at the same time.
    pub fn in_flight_peak(&self) -> usize {
        self.state.in_flight_peak.load(Ordering::Relaxed)
    }

    /// Requests so far, also if they are not recorded.
    pub fn count(&self) -> usize {
        self.state.count.load(Ordering::Relaxed)
    }

    /// Forgets the requests so far and the peak. Their numbers go on from zero.
    pub fn forget(&self) {
        self.state.received().clear();
        self.state.count.store(0, Ordering::Relaxed);
        self.state.in_flight_peak.store(0, Ordering::Relaxed);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Stop::Task(task) = &self.stop {
            task.abort();
        }
    }
}

async fn serve(listener: TcpListener, state: Arc<State>, act: Script) {
    // Dropped together with this task, and the connections with it.
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // An error concerns only the connection that was to be accepted.
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(connection(stream, number, Arc::clone(&state), Arc::clone(&act)));
                number += 1;
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves one connection; whatever breaks it ends it, as the client will have noticed.
async fn connection(mut stream: TcpStream, connection: usize, state: Arc<State>, act: Script) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut reader = Reader::default();
    while let Ok(Some(request)) = reader.next(&mut stream).await {
        let keep_alive = request.keep_alive;
        let received = Received {
            number: state.count.fetch_add(1, Ordering::Relaxed),
            at: request.at,
            method: request.method,
            path: request.path,
            headers: request.headers,
            body: request.body,
            connection,
        };
        state.remember(&received);
        let in_flight = InFlight::new(&state);
        let goes_on = perform(act(&received), &mut stream).await;
        drop(in_flight);
        if !matches!(goes_on, Ok(true)) || !keep_alive {
            return;
        }
    }
}

/// The URL of a port of 127.0.0.1 on which nobody listens.
pub async fn refused_url() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let port = listener
        .and_then(|listener| listener.local_addr())
        .map_or(1, |address| address.port());
    format!("http://127.0.0.1:{port}")
}
