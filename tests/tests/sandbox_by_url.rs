//! What an installed sandbox is tried with by its URL: the attacks of the corpus, and the bundled tasks.

use real_datasets::builder::unconfirmed;
use real_datasets::{SolutionKind, load};
use real_sandbox_api::{BatchRequest, Status};
use real_sandbox_attacks::{Aim, Client, Route, Selection, attack};
use real_tests::bundled::{QUICKSTART, unconfirmed_solutions};
use real_tests::service::Service;
use reqwest::Url;

fn url(service: &Service) -> Url {
    service.url().parse().expect("an address is a URL")
}

/// The sandbox's own tests do it by `/run_code` too.
fn by_batch() -> Selection {
    Selection { routes: vec![Route::Batch], ..Selection::default() }
}

#[tokio::test]
async fn attacks_that_are_aimed_at_a_pod_fail_here_too() {
    let sandbox = Service::start("real-sandbox");
    let report = attack(&url(&sandbox), &Aim::pod(), &by_batch()).await.expect("a sandbox");
    assert!(report.outcomes.len() >= 30, "{report}");
    assert!(report.wrong().is_empty(), "{}", report.wrong().join("\n"));
}

#[tokio::test]
async fn bundled_solutions_do_what_their_tasks_say() {
    let sandbox = Service::start("real-sandbox");
    let found = unconfirmed_solutions(&url(&sandbox), &QUICKSTART[1..], 4).await.expect("answers");
    assert!(found.is_empty(), "{found:#?}");
}

#[tokio::test]
async fn a_solution_that_is_wrong_is_named() {
    let sandbox = Service::start("real-sandbox");
    let client = Client::new(&url(&sandbox));
    let mut tasks = load(QUICKSTART[1]).expect("it is bundled");
    tasks.truncate(3);
    "raise SystemExit".clone_into(&mut tasks[1].solutions[0].code);
    let runner = |request: BatchRequest| {
        let client = client.clone();
        async move { client.batch(&request).await.map_err(Into::into) }
    };
    let found = unconfirmed(&tasks, 2, &runner).await.expect("answers");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((&found[0].task, found[0].kind), (&tasks[1].id, SolutionKind::Secure));
    assert_eq!(found[0].failed[0], (0, Status::WrongAnswer));
}
