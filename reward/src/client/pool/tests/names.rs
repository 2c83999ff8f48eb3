//! Several real servers on addresses of the loopback network, behind one name.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;

use futures::FutureExt as _;
use futures::future::join_all;
use tokio::io::AsyncReadExt as _;
use tokio::runtime::Runtime;

use super::*;
use crate::client::network::Resolver;

/// Connections that may wait to be taken.
const BACKLOG: u32 = 128;

/// What the name resolves to.
#[derive(Clone)]
struct Names {
    answer: Arc<Mutex<Result<Vec<SocketAddr>, &'static str>>>,
    /// How often it was asked.
    asked: Arc<AtomicU32>,
}

impl Names {
    fn new(addresses: &[SocketAddr]) -> Self {
        Self { answer: Arc::new(Mutex::new(Ok(addresses.to_vec()))), asked: Arc::default() }
    }

    fn now_is(&self, answer: Result<&[SocketAddr], &'static str>) {
        *self.answer.lock().unwrap() = answer.map(<[_]>::to_vec);
    }

    /// Returns once the present answer has been asked for and taken.
    async fn taken_by(&self, pool: &Pool) {
        let before = self.asked.load(Ordering::SeqCst);
        let mut resolved = pool.resolved.subscribe();
        let done = async {
            loop {
                // To look is what has the name resolved, once it is time for that.
                let _ = pool.choose(&[], Instant::now());
                let asked = self.asked.load(Ordering::SeqCst);
                if asked > before && *resolved.borrow_and_update() >= u64::from(asked) {
                    return;
                }
                let _ = tokio::time::timeout(Duration::from_millis(50), resolved.changed()).await;
            }
        };
        tokio::time::timeout(Duration::from_secs_f64(PATIENCE), done).await.expect("it is asked again");
    }

    fn pool(&self, port: u16) -> Pool {
        self.pool_at(&format!("http://fleet.test:{port}"))
    }

    fn pool_at(&self, url: &str) -> Pool {
        let names = self.clone();
        let resolver: Resolver = Arc::new(move |host, _| {
            assert_eq!(host, "fleet.test");
            let answer = names.answer.lock().unwrap().clone();
            names.asked.fetch_add(1, Ordering::SeqCst);
            async move { answer.map_err(io::Error::other) }.boxed()
        });
        Pool::new(Service::Sandbox, &Network::with_resolver(resolver).unwrap(), &[Url::parse(url).unwrap()])
    }
}

/// A replica: counts what it is asked, and answers after a while.
struct Replica {
    seen: Arc<AtomicU32>,
    /// Its own, so that it can be killed with its connections.
    runtime: Option<Runtime>,
}

impl Replica {
    fn at(place: TcpSocket) -> Self {
        let seen = Arc::new(AtomicU32::new(0));
        let answer = async move |State(seen): State<Arc<AtomicU32>>, headers: HeaderMap| {
            seen.fetch_add(1, Ordering::SeqCst);
            assert!(headers["host"].to_str().unwrap().starts_with("fleet.test:"), "{headers:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
            ok()
        };
        let router = Router::new().route("/v1/batch", post(answer)).with_state(Arc::clone(&seen));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = {
            let _inside = runtime.enter();
            place.listen(BACKLOG).unwrap()
        };
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { seen, runtime: Some(runtime) }
    }

    fn seen(&self) -> u32 {
        self.seen.load(Ordering::SeqCst)
    }

    fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that is ours at three addresses, on which nobody listens yet.
fn places() -> (u16, [TcpSocket; 3]) {
    let bound = |host, port| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 77, 0, host), port))).map(|()| socket)
    };
    // What is free at the first may be taken at another.
    loop {
        let first = bound(1, 0).unwrap();
        let port = first.local_addr().unwrap().port();
        if let (Ok(second), Ok(third)) = (bound(2, port), bound(3, port)) {
            return (port, [first, second, third]);
        }
    }
}

fn at(places: &[TcpSocket; 3]) -> [SocketAddr; 3] {
    places.each_ref().map(|place| place.local_addr().unwrap())
}

async fn post_many(pool: &Pool, count: usize) {
    for outcome in join_all((0..count).map(|_| post_within(pool, PATIENCE))).await {
        outcome.unwrap();
    }
}

#[tokio::test]
async fn addresses_of_a_name_get_equal_shares() {
    let (port, places) = places();
    let ([first, second, _], [one, other, _]) = (at(&places), places);
    let (a, b) = (Replica::at(one), Replica::at(other));
    let pool = Names::new(&[first, second]).pool(port);
    for _ in 0..10 {
        post_many(&pool, 10).await;
    }
    assert_eq!((a.seen(), b.seen()), (50, 50));
}

#[tokio::test]
async fn a_killed_replica_loses_nothing_and_a_new_one_gets_work() {
    let (port, places) = places();
    let ([first, second, third], [one, other, another]) = (at(&places), places);
    let (mut a, b) = (Replica::at(one), Replica::at(other));
    let names = Names::new(&[first, second]);
    let pool = names.pool(port);
    let seen = Arc::clone(&a.seen);
    let kill = async {
        // Asked, and not yet answering.
        while seen.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        a.kill();
    };
    tokio::join!(post_many(&pool, 40), kill);
    let before = a.seen();
    let c = Replica::at(another);
    names.now_is(Ok(&[second, third]));
    let start = Instant::now();
    while c.seen() == 0 {
        post_many(&pool, 4).await;
        assert!(start.elapsed() < Duration::from_secs_f64(PATIENCE), "the new replica gets nothing");
    }
    let (b_before, c_before) = (b.seen(), c.seen());
    for _ in 0..10 {
        post_many(&pool, 10).await;
    }
    assert_eq!((b.seen() - b_before, c.seen() - c_before), (50, 50));
    assert_eq!(a.seen(), before);
}

#[tokio::test]
async fn an_address_that_left_gets_no_new_requests_and_finishes_its_own() {
    let (port, places) = places();
    let ([first, second, _], [one, other, _]) = (at(&places), places);
    let (a, b) = (Replica::at(one), Replica::at(other));
    let names = Names::new(&[first, second]);
    let pool = names.pool(port);
    post_many(&pool, 2).await;
    let (_, kept, _) = pool.choose(&[], Instant::now()).unwrap();
    names.now_is(Ok(&[second]));
    // What is under way when the answer comes ends as if nothing were.
    tokio::join!(names.taken_by(&pool), post_many(&pool, 20));
    let (a_before, b_before) = (a.seen(), b.seen());
    post_many(&pool, 20).await;
    assert_eq!((a.seen() - a_before, b.seen() - b_before), (0, 20));
    let gone = kept.first_address() == Some(first);
    let known = pool.choose(&[], Instant::now()).unwrap().1;
    assert_eq!(Arc::ptr_eq(&known, &kept), !gone, "one that stays keeps its breaker and its count");
}

#[tokio::test]
async fn a_name_that_resolves_late_or_no_longer_fails_nothing() {
    let (port, places) = places();
    let ([first, ..], [one, ..]) = (at(&places), places);
    let names = Names::new(&[]);
    let pool = names.pool(port);
    let a = Replica::at(one);
    let appear = async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        names.now_is(Err("the server is not there"));
        tokio::time::sleep(Duration::from_millis(600)).await;
        names.now_is(Ok(&[first]));
    };
    let (outcome, ()) = tokio::join!(post_within(&pool, PATIENCE), appear);
    assert_eq!(outcome.unwrap().1, 1, "nothing was tried without an address");
    names.now_is(Err("the server is not there"));
    tokio::join!(names.taken_by(&pool), post_many(&pool, 4));
    post_many(&pool, 4).await;
    assert_eq!(a.seen(), 9);
}

#[tokio::test]
async fn in_the_end_the_host_and_what_the_resolver_said_are_named() {
    let names = Names::new(&[]);
    let pool = names.pool(1);
    let start = Instant::now();
    let failure = post_within(&pool, 5.0).await.unwrap_err();
    assert!(start.elapsed() >= Duration::from_millis(4900), "it is given up before the deadline");
    let text = failure.reason.to_string();
    assert!(text.contains("not tried") && text.contains("fleet.test does not resolve: it has no address"), "{text}");
    names.now_is(Err("Name or service not known"));
    let text = post_within(&pool, 10.0).await.unwrap_err().reason.to_string();
    assert!(text.contains("fleet.test does not resolve: Name or service not known"), "{text}");
}

#[tokio::test]
async fn a_busy_replica_sends_its_requests_to_another() {
    let (port, places) = places();
    let ([first, second, _], [one, other, _]) = (at(&places), places);
    let busy = Router::new().route(
        "/v1/batch",
        post(|| async { (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "3600")]).into_response() }),
    );
    let listener = one.listen(BACKLOG).unwrap();
    tokio::spawn(async move { axum::serve(listener, busy).await });
    let free = Replica::at(other);
    let pool = Names::new(&[first, second]).pool(port);
    // Who waited for the busy one would be out of time.
    post_many(&pool, 20).await;
    assert_eq!(free.seen(), 20);
}

#[tokio::test]
async fn tls_is_spoken_with_the_name_and_not_with_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let pool = Names::new(&[address]).pool_at(&format!("https://fleet.test:{}", address.port()));
    let hello = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = vec![0; 4096];
        let length = stream.read(&mut hello).await.unwrap();
        String::from_utf8_lossy(&hello[..length]).into_owned()
    };
    let hello = tokio::select! {
        hello = hello => hello,
        outcome = post_within(&pool, PATIENCE) => panic!("nobody answers in TLS: {outcome:?}"),
    };
    assert!(hello.contains("fleet.test"), "SNI is missing");
}

#[tokio::test]
async fn names_of_this_machine_and_ipv6_addresses_work() {
    let (url, seen) = server(|_| ok()).await;
    let localhost = Url::parse(&format!("http://localhost:{}", url.port().unwrap())).unwrap();
    assert_eq!(post_within(&pool(&[localhost]), PATIENCE).await.unwrap().1, 1);
    assert_eq!(seen.load(Ordering::SeqCst), 1);
    let Ok(listener) = TcpListener::bind("[::1]:0").await else {
        eprintln!("skipped: this machine has no IPv6");
        return;
    };
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/v1/batch", post(async || ok()));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let literal = Url::parse(&format!("http://{address}")).unwrap();
    assert_eq!(post_within(&pool(&[literal]), PATIENCE).await.unwrap().1, 1);
    let pool = Names::new(&[address]).pool(address.port());
    assert_eq!(post_within(&pool, PATIENCE).await.unwrap().1, 1);
}
