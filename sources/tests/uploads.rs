//! Files that go to a bucket of a real server, through a proxy of faults. Skipped where the server is not there.

mod store;

use std::path::Path;
use std::time::Duration;

use real_sources::{Azure, BucketKeys, Buckets, Google, Parts, Patience, Settings, Shelf, SourceError};
use store::{Fault, Kind, Store};

const PART: u64 = 10_000;

fn shelf(store: &Store, cache: &Path) -> Shelf {
    let patience =
        Patience { silence: Duration::from_millis(50), fruitless: 3, tries: 20, first_wait: Duration::from_millis(1) };
    let keys = BucketKeys { id: "id".into(), secret: "hush".into(), token: Some("session".into()) };
    let settings = Settings {
        cache: cache.to_owned(),
        hub: "http://127.0.0.1:9".to_owned(),
        token: None,
        buckets: Buckets { endpoint: Some(store.proxy.clone()), keys: Some(keys), ..Buckets::default() },
        google: Google::default(),
        azure: Azure::default(),
        offline: false,
        patience,
        parts: Parts { bytes: PART, at_once: 2 },
    };
    Shelf::new("s3://data/runs/a b/", settings).unwrap()
}

fn content(bytes: u32) -> Vec<u8> {
    (0..bytes).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[tokio::test]
async fn a_file_is_sent_in_parts_each_once_and_is_there_whole_or_not_at_all() {
    let Some(store) = Store::start().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let shelf = shelf(&store, folder.path());
    let (small, large, exact) = (content(700), content(45_001), content(20_000));
    for (name, content) in [("small", &small), ("large", &large), ("exact", &exact), ("empty", &Vec::new())] {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    store.rule(|_| None);
    for name in ["small", "large", "exact", "empty"] {
        shelf.put(&format!("checkpoints/step-1/{name}"), &folder.path().join(name)).await.unwrap();
    }
    assert_eq!((store.count(Kind::Begin), store.count(Kind::Complete), store.count(Kind::Put)), (2, 2, 2));
    let parts: Vec<usize> =
        store.log().iter().filter(|asked| asked.kind == Kind::Part).map(|asked| asked.bytes).collect();
    assert_eq!((parts.len(), parts.iter().sum::<usize>()), (7, 65_001), "each byte is sent once");
    assert!(store.log().iter().all(|asked| asked.signed), "every request is signed");
    let at = |name: &str| format!("runs/a%20b/checkpoints/step-1/{name}");
    for (name, content) in [("small", &small), ("large", &large), ("exact", &exact), ("empty", &Vec::new())] {
        assert_eq!(store.content(&at(name)).await.as_ref(), Some(content), "{name}");
    }
    let mut listed = shelf.list("checkpoints").await.unwrap();
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    let sizes: Vec<(&str, u64)> = listed.iter().map(|item| (item.name.as_str(), item.bytes)).collect();
    assert_eq!(sizes, [("step-1/empty", 0), ("step-1/exact", 20_000), ("step-1/large", 45_001), ("step-1/small", 700)]);
    assert!(listed.iter().all(|item| item.modified.is_some()));
    // What comes back is compared with the digest that the caller knows.
    let back = folder.path().join("back");
    let wrong = shelf.fetch("checkpoints/step-1/large", &back, &"0".repeat(64)).await.unwrap_err().to_string();
    assert!(wrong.contains("its SHA-256 is") && !back.exists(), "{wrong}");
    shelf.write("note", "hello").await.unwrap();
    assert_eq!(shelf.read("note").await.unwrap().as_deref(), Some(&b"hello"[..]));
    shelf.delete(&["note".to_owned(), "never/there".to_owned()]).await.unwrap();
    assert_eq!(shelf.read("note").await.unwrap(), None);
}

#[tokio::test]
async fn whatever_a_store_does_wrong_with_an_upload_is_survived_or_told() {
    let Some(store) = Store::start().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let (path, large) = (folder.path().join("large"), content(45_001));
    std::fs::write(&path, &large).unwrap();
    let shelf = shelf(&store, folder.path());
    let slow = Fault::Answer(503, "<Error><Code>SlowDown</Code></Error>");
    for (number, (kind, faults)) in [
        (Kind::Begin, vec![slow.clone(), Fault::Answer(500, "")]),
        (Kind::Part, vec![slow.clone(), Fault::Answer(429, ""), Fault::Lost, Fault::Silent(0), slow.clone()]),
        (Kind::Part, vec![Fault::Corrupt, Fault::Answer(400, "<Error><Code>BadDigest</Code></Error>")]),
        (Kind::Complete, vec![slow.clone(), slow.clone()]),
        // The store has done it, and the answer never came.
        (Kind::Complete, vec![Fault::Lost]),
    ]
    .into_iter()
    .enumerate()
    {
        store.faults(kind, &faults);
        let name = format!("survived/{number}");
        shelf.put(&name, &path).await.unwrap_or_else(|error| panic!("{kind:?} {faults:?}: {error}"));
        assert_eq!(store.content(&format!("runs/a%20b/{name}")).await.as_ref(), Some(&large), "{kind:?} {faults:?}");
        assert_eq!(store.count(Kind::Begin), if kind == Kind::Begin { 3 } else { 1 }, "{kind:?} {faults:?}");
    }
    for (kind, fault, expected) in [
        (Kind::Part, Fault::Answer(400, "<Error><Code>ExpiredToken</Code></Error>"), "the session token has expired"),
        (Kind::Begin, Fault::Answer(403, "<Error><Code>AccessDenied</Code></Error>"), "may not read or write it"),
        (
            Kind::Complete,
            Fault::Answer(200, "<Error><Code>InternalError</Code></Error>"),
            "did not put the parts together",
        ),
    ] {
        store.rule(move |asked| (asked.kind == kind).then(|| fault.clone()));
        let said = shelf.put(&format!("told/{kind:?}"), &path).await.unwrap_err().to_string();
        assert!(said.contains(expected) && !said.contains("hush") && !said.contains("Signature="), "{said}");
    }
    assert_eq!(store.keys("runs/a%20b/told").await, [""; 0], "nothing of it can be seen");
}

#[tokio::test]
async fn what_was_sent_before_a_store_went_away_is_not_sent_again_and_torn_uploads_are_ended() {
    let Some(store) = Store::start().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let (path, large) = (folder.path().join("large"), content(45_001));
    std::fs::write(&path, &large).unwrap();
    let shelf_of_a_run = shelf(&store, folder.path());
    let mut parts = 0;
    store.rule(move |asked| {
        parts += u32::from(asked.kind == Kind::Part);
        (asked.kind == Kind::Part && parts > 2).then_some(Fault::Answer(503, ""))
    });
    let error = shelf_of_a_run.put("large", &path).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
    assert!(error.is_passing() && store.content("runs/a%20b/large").await.is_none());
    // Another run's, and one of this run's that another process began.
    shelf(&store, folder.path()).put("other", &path).await.unwrap_err();
    assert_eq!(store.unfinished().await, 2);
    store.rule(|_| None);
    assert_eq!(shelf_of_a_run.abort_torn().await.unwrap(), 1, "its own is not torn");
    store.rule(|_| None);
    shelf_of_a_run.put("large", &path).await.unwrap();
    assert_eq!((store.count(Kind::Begin), store.count(Kind::Part)), (0, 3), "two parts were there");
    assert_eq!(store.content("runs/a%20b/large").await.as_ref(), Some(&large));
    assert_eq!(store.unfinished().await, 0);
}
