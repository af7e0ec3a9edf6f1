//! Accepts connections, up to their limit, until told to stop; then lets open requests end.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bellwether_model::limits::HTTP_CONNECTIONS_MAX;
use hyper::StatusCode;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::answer::{Exceeded, Refusal, Shape};
use super::framing;
use super::guard::{Guard, Link};
use super::service::Edge;

/// How long to wait when the system has no more files or memory for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a connection over the limit may take to be told so.
const TURN_AWAY: Duration = Duration::from_secs(1);

/// Serves `listener` until `stop` turns true, then waits for open requests, at most the shutdown grace.
pub(crate) async fn listen(
    listener: TcpListener,
    edge: Arc<Edge>,
    mut stop: watch::Receiver<bool>,
) {
    let connections = Arc::new(Semaphore::new(edge.limits.connections_max));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
            edge.counters.answered(503);
            edge.counters.limit_hit(HTTP_CONNECTIONS_MAX.name);
            tokio::spawn(turn_away(stream, edge.limits.connections_max));
            continue;
        };
        edge.counters.connected();
        let (edge, stop) = (Arc::clone(&edge), stop.clone());
        tokio::spawn(async move {
            connection(stream, edge, stop).await;
            drop(permit);
        });
    }
    drop(listener);
    let all = edge.limits.connections_max as u32;
    let ended = tokio::time::timeout(edge.limits.shutdown_grace, connections.acquire_many(all));
    if ended.await.is_err() {
        tracing::warn!("requests were still open after the shutdown grace; they are cut off");
    }
}

/// Returns once the server is to stop, or nobody is left who could say so.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn connection(stream: TcpStream, edge: Arc<Edge>, mut stop: watch::Receiver<bool>) {
    // Answers are small and whole: waiting to fill a packet only costs time.
    let _ = stream.set_nodelay(true);
    let link = Arc::new(Link::default());
    let limits = edge.limits.clone();
    let guard = Guard::new(stream, Arc::clone(&link), limits.clone());
    let service = service_fn(move |request| {
        let answered = Arc::clone(&edge).serve(Arc::clone(&link), request);
        async move { Ok::<_, Infallible>(answered.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // The guard keeps these more finely; this is what holds if it should ever fail to.
        .header_read_timeout(limits.header_timeout + limits.keepalive_idle)
        .max_headers(framing::HEADERS_PASSED_MAX)
        .max_buf_size(READ_BUFFER_MAX)
        .serve_connection(TokioIo::new(guard), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = stopped(&mut stop) => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        connection.as_mut().graceful_shutdown();
        connection.await
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

/// The most of a body that is read ahead of whoever consumes it.
const READ_BUFFER_MAX: usize = 256 * 1024;

/// Tells a connection over the limit that there is no room, without reading from it.
async fn turn_away(mut stream: TcpStream, max: usize) {
    let mut refusal = Refusal::limited(
        StatusCode::SERVICE_UNAVAILABLE,
        "no more connections are taken",
        Exceeded::at(&HTTP_CONNECTIONS_MAX, max),
    );
    refusal.retry_after = Some(1);
    let answer = refusal.answer(Shape::Prometheus);
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n",
        answer.body.len()
    );
    let send = async {
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&answer.body).await?;
        stream.shutdown().await?;
        // Closing before the request was read would take the answer back.
        let mut scrap = [0; 1024];
        while tokio::io::AsyncReadExt::read(&mut stream, &mut scrap).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    let _ = tokio::time::timeout(TURN_AWAY, send).await;
}
