// SPDX-License-Identifier: GPL-2.0-or-later
//! The Rust peers of the health benchmark: tokio and hyper, one task per target, all spawned at
//! once. A semaphore keeps the open connections below the limit of descriptors; the timeout of a
//! probe begins when it has its permit.
//!
//!     prober client|conn single|multi N PORT TIMEOUT_MS CONNECTIONS
//!
//! client is hyper's client as its documentation has it, shared by all tasks and told to keep no
//! connection. conn goes below it: each task polls a connection of its own, with neither pool nor
//! connector nor a task for the connection. single and multi are tokio's runtimes.
//!
//! Probes the addresses from 127.1.0.0 on, and prints one line of JSON.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::client::{Client, HttpConnector};
use hyper::{Body, Request};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

const FIRST: u32 = 0x7f01_0000;

type Error = Box<dyn std::error::Error + Send + Sync>;

enum Outcome {
    Ok,
    Failed,
    Timeout,
}

async fn client_probe(
    client: Client<HttpConnector, Body>,
    target: SocketAddr,
) -> Result<bool, Error> {
    let request = Request::get(format!("http://{}/", target))
        .header("connection", "close")
        .body(Body::empty())?;
    let answer = client.request(request).await?;
    let good = answer.status() == 200;
    hyper::body::to_bytes(answer.into_body()).await?;
    Ok(good)
}

async fn conn_probe(target: SocketAddr) -> Result<bool, Error> {
    let stream = TcpStream::connect(target).await?;
    let (mut sender, connection) = hyper::client::conn::handshake(stream).await?;
    let request = Request::get("/")
        .header("host", target.to_string())
        .header("connection", "close")
        .body(Body::empty())?;
    let exchange = async {
        let answer = sender.send_request(request).await?;
        let good = answer.status() == 200;
        hyper::body::to_bytes(answer.into_body()).await?;
        Ok(good)
    };
    tokio::pin!(exchange, connection);
    tokio::select! {
        biased;
        done = &mut exchange => return done,
        _ = &mut connection => (),
    }
    exchange.await
}

async fn run<F, P>(probe: P, n: u32, port: u16, timeout: Duration, connections: usize)
where
    P: Fn(SocketAddr) -> F,
    F: Future<Output = Result<bool, Error>> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(connections));
    let begun = Instant::now();
    let tasks: Vec<_> = (0..n)
        .map(|i| {
            let permits = permits.clone();
            let target = SocketAddr::from((Ipv4Addr::from(FIRST + i), port));
            let probe = probe(target);
            tokio::spawn(async move {
                let _permit = permits.acquire().await;
                match tokio::time::timeout(timeout, probe).await {
                    Ok(Ok(true)) => Outcome::Ok,
                    Ok(_) => Outcome::Failed,
                    Err(_) => Outcome::Timeout,
                }
            })
        })
        .collect();
    let (mut ok, mut failed, mut timeouts) = (0, 0, 0);
    for task in tasks {
        match task.await {
            Ok(Outcome::Ok) => ok += 1,
            Ok(Outcome::Timeout) => timeouts += 1,
            _ => failed += 1,
        }
    }
    println!(
        "{{\"wall_s\": {:.6}, \"ok\": {}, \"timeouts\": {}, \"failed\": {}}}",
        begun.elapsed().as_secs_f64(),
        ok,
        timeouts,
        failed
    );
}

fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().collect();
    if args.len() != 7 {
        return Err("prober client|conn single|multi N PORT TIMEOUT_MS CONNECTIONS".into());
    }
    let mut builder = match args[2].as_str() {
        "single" => tokio::runtime::Builder::new_current_thread(),
        "multi" => tokio::runtime::Builder::new_multi_thread(),
        _ => return Err("single or multi".into()),
    };
    let (n, port) = (args[3].parse()?, args[4].parse()?);
    let timeout = Duration::from_millis(args[5].parse()?);
    let connections = args[6].parse()?;
    builder.enable_all().build()?.block_on(async {
        match args[1].as_str() {
            "conn" => run(conn_probe, n, port, timeout, connections).await,
            _ => {
                let client = Client::builder()
                    .pool_max_idle_per_host(0)
                    .build_http::<Body>();
                let probe = |target| client_probe(client.clone(), target);
                run(probe, n, port, timeout, connections).await
            }
        }
    });
    Ok(())
}
