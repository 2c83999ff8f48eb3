//! Buckets of a real server through a proxy of faults. Skipped where the server is not there.

mod store;

use std::time::Duration;

use real_sources::{Azure, BucketKeys, Buckets, Fetcher, Google, Parts, Patience, Place, Settings, SourceError};
use store::{Fault, Kind, Store};
use tempfile::TempDir;

/// Who fetches, with a cache of their own.
struct Reader {
    store: Store,
    cache: TempDir,
}

impl Reader {
    async fn start() -> Option<Self> {
        Some(Self { store: Store::start().await?, cache: tempfile::tempdir().unwrap() })
    }

    fn fetcher(&self, offline: bool) -> Fetcher {
        self.fetcher_of(offline, Parts::default())
    }

    fn fetcher_of(&self, offline: bool, parts: Parts) -> Fetcher {
        let patience =
            Patience { silence: Duration::from_secs(3), fruitless: 3, tries: 20, first_wait: Duration::from_millis(1) };
        let keys = BucketKeys { id: "id".into(), secret: "hush".into(), token: Some("session".into()) };
        let buckets = Buckets { endpoint: Some(self.store.proxy.clone()), keys: Some(keys), ..Buckets::default() };
        let hub = "http://127.0.0.1:9".to_owned();
        let cache = self.cache.path().to_owned();
        Fetcher::new(Settings {
            cache,
            hub,
            token: None,
            buckets,
            google: Google::default(),
            azure: Azure::default(),
            offline,
            patience,
            parts,
        })
        .unwrap()
    }

    async fn file(&self, key: &str) -> Result<Vec<u8>, SourceError> {
        let path = self.fetcher(false).file(&Place::parse(&format!("s3://data/{key}")).unwrap()).await?;
        Ok(std::fs::read(path).unwrap())
    }

    /// First bytes that were asked for.
    fn objects(&self) -> Vec<u64> {
        self.store.log().into_iter().filter(|asked| asked.kind == Kind::Get).map(|asked| asked.from).collect()
    }

    fn others(&self) -> usize {
        self.store.count(Kind::List) + self.store.count(Kind::Look)
    }
}

fn weights() -> Vec<u8> {
    (0..200_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[tokio::test]
async fn what_lies_in_a_bucket_is_fetched_once_and_anew_when_it_changed() {
    let Some(reader) = Reader::start().await else { return };
    let store = &reader.store;
    let weights = weights();
    for (key, content) in [
        ("models/a b/config.json", &b"{}"[..]),
        ("models/a b/model.safetensors", &weights),
        ("models/a b/README.md", b"no part of a model"),
        ("models/a b/optimizer/state.safetensors", b"neither"),
        ("models/a bc/config.json", b"another model"),
        ("empty.jsonl", b""),
    ] {
        store.put(&key.replace(' ', "%20"), content).await;
    }
    let place = Place::parse("s3://data/models/a b/").unwrap();
    let folder = reader.fetcher(false).folder(&place).await.unwrap();
    assert_eq!(std::fs::read(folder.join("model.safetensors")).unwrap(), weights);
    let mut names: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.contains(".lock"));
    names.sort();
    assert_eq!(names, ["config.json", "model.safetensors"]);
    let asked = reader.objects().len();
    assert_eq!(reader.fetcher(false).folder(&place).await.unwrap(), folder);
    assert_eq!(reader.objects().len(), asked, "what is there is not asked for");
    // The store says by its tag that an object is another one.
    store.put("models/a%20b/config.json", b"{\"a\": 1}").await;
    let newer = reader.fetcher(false).folder(&place).await.unwrap();
    assert_eq!(std::fs::read(newer.join("config.json")).unwrap(), b"{\"a\": 1}");
    let others = reader.others();
    assert_eq!(reader.fetcher(true).folder(&place).await.unwrap(), newer, "offline it is as it was last");
    assert_eq!(reader.others(), others);
    let unknown = reader.fetcher(true).file(&Place::parse("s3://data/x.jsonl").unwrap()).await.unwrap_err().to_string();
    assert!(unknown.contains("s3://data/x.jsonl") && unknown.contains("REAL_OFFLINE"), "{unknown}");
    assert_eq!(reader.file("empty.jsonl").await.unwrap(), b"");
    for (uri, expected) in
        [("s3://data/absent.jsonl", "there is no such object"), ("s3://other/x.jsonl", "there is no such bucket")]
    {
        let said = reader.fetcher(false).file(&Place::parse(uri).unwrap()).await.unwrap_err().to_string();
        assert!(said.contains("HTTP 404") && said.contains(expected) && !said.contains("Signature"), "{said}");
    }
    let nothing = reader.fetcher(false).folder(&Place::parse("s3://data/models/none").unwrap()).await.unwrap_err();
    assert!(nothing.to_string().contains("holds no model: 0 objects"), "{nothing}");
    assert!(store.log().iter().all(|asked| asked.signed), "every request is signed");
}

#[tokio::test]
async fn whatever_a_store_does_wrong_is_survived_or_told() {
    let Some(reader) = Reader::start().await else { return };
    let store = &reader.store;
    let weights = weights();
    let slow = Fault::Answer(503, "<Error><Code>SlowDown</Code></Error>");
    let mut number = 0;
    // Each on an object of its own, since what is fetched stays.
    for (faults, begun) in [
        (vec![slow.clone(), Fault::Answer(429, ""), Fault::Answer(500, "")], vec![0, 0, 0]),
        (vec![Fault::Cut(50_000), slow, Fault::Cut(70_000)], vec![0, 50_000, 50_000, 120_000]),
        (vec![Fault::Silent(30_000)], vec![0, 30_000]),
        (vec![Fault::Corrupt], vec![0, 0]),
    ] {
        number += 1;
        let key = format!("{number}.bin");
        store.put(&key, &weights).await;
        // Of three in a row that bring nothing the last is given up.
        let given_up = begun == [0, 0, 0];
        store.faults(Kind::Get, &faults);
        let fetched = reader.file(&key).await;
        if given_up {
            let error = fetched.unwrap_err();
            assert!(error.is_passing() && error.to_string().contains("gave up after 3 tries"), "{error}");
        } else {
            assert_eq!(fetched.unwrap(), weights, "{faults:?}");
        }
        assert_eq!(reader.objects(), begun, "{faults:?}");
    }
    for (faults, expected) in [
        (vec![Fault::Corrupt, Fault::Corrupt], "its MD5 is"),
        (
            vec![Fault::Answer(
                400,
                "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>",
            )],
            "(ExpiredToken): the session token has expired",
        ),
        (vec![Fault::Answer(403, "<Error><Code>SignatureDoesNotMatch</Code></Error>")], "the keys are not accepted"),
        (vec![Fault::Answer(403, "<Error><Code>AccessDenied</Code></Error>")], "these keys may not read or write it"),
    ] {
        number += 1;
        let key = format!("{number}.bin");
        store.put(&key, &weights).await;
        store.faults(Kind::Get, &faults);
        let said = reader.file(&key).await.unwrap_err().to_string();
        assert!(said.contains(expected) && said.contains(&key), "{said}");
        assert!(!said.contains("hush") && !said.contains("session&") && !said.contains("Signature="), "{said}");
    }
    store.put("pinned.bin", &weights).await;
    store.faults(Kind::Get, &[]);
    let said = reader.file(&format!("pinned.bin#sha256={}", "0".repeat(64))).await.unwrap_err().to_string();
    assert!(said.contains("its SHA-256 is") && said.contains("nothing of it was kept"), "{said}");
}

#[tokio::test]
async fn a_large_file_comes_in_ranges_at_once_and_each_byte_is_asked_for_once_whatever_is_cut() {
    let Some(reader) = Reader::start().await else { return };
    let store = &reader.store;
    let content = weights();
    let parts = Parts { bytes: 30_000, at_once: 3 };
    store.put("large.bin", &content).await;
    store.rule(|_| None);
    let fetched = |key: &'static str| {
        let fetcher = reader.fetcher_of(false, parts);
        async move { fetcher.file(&Place::parse(&format!("s3://data/{key}")).unwrap()).await }
    };
    let path = fetched("large.bin").await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), content);
    // The first is read from the answer that said how long it is.
    let mut begun = reader.objects();
    begun.sort_unstable();
    assert_eq!(begun, [0, 30_000, 60_000, 90_000, 120_000, 150_000, 180_000]);
    let left: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("partial")), "{left:?}");
    // One range is cut and another not given: those two are asked for again, by a later start the rest.
    store.put("cut.bin", &content).await;
    let mut cut = vec![(60_000, Fault::Cut(10_000)), (150_000, Fault::Answer(503, ""))];
    store.rule(move |asked| {
        let at = cut.iter().position(|(from, _)| asked.kind == Kind::Get && asked.from == *from)?;
        Some(cut.remove(at).1)
    });
    assert_eq!(std::fs::read(fetched("cut.bin").await.unwrap()).unwrap(), content);
    let twice = |from: u64| reader.objects().into_iter().filter(|asked| *asked == from).count();
    assert_eq!((twice(60_000), twice(150_000), twice(180_000)), (2, 2, 1));
    store.put("away.bin", &content).await;
    store.rule(|asked| (asked.kind == Kind::Get && asked.from >= 90_000).then_some(Fault::Answer(503, "")));
    let error = fetched("away.bin").await.unwrap_err();
    assert!(error.is_passing() && error.to_string().contains("90000 bytes here"), "{error}");
    store.rule(|_| None);
    assert_eq!(std::fs::read(fetched("away.bin").await.unwrap()).unwrap(), content);
    let mut begun = reader.objects();
    begun.sort_unstable();
    assert_eq!(begun, [90_000, 120_000, 150_000, 180_000], "what was here is not asked for");
    // The object became another one in between, and the sum of the whole is checked.
    store.put("changed.bin", &content).await;
    store.rule(|asked| (asked.kind == Kind::Get && asked.from >= 90_000).then_some(Fault::Answer(503, "")));
    fetched("changed.bin").await.unwrap_err();
    let other: Vec<u8> = content.iter().map(|byte| byte ^ 255).collect();
    store.put("changed.bin", &other).await;
    store.rule(|_| None);
    assert_eq!(std::fs::read(fetched("changed.bin").await.unwrap()).unwrap(), other);
    store.put("corrupt.bin", &content).await;
    store.rule(|asked| (asked.kind == Kind::Get && asked.from == 120_000).then_some(Fault::Corrupt));
    let error = fetched("corrupt.bin").await.unwrap_err().to_string();
    assert!(error.contains("its MD5 is") && error.contains("nothing of it was kept"), "{error}");
}
