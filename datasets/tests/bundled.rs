//! What is bundled is what the generator makes today.

use std::collections::HashSet;
use std::path::Path;

use real_datasets::builder::{Form, Split, candidate, quickstart_model_files};
use real_datasets::{LoadError, SolutionKind, Task, load, load_demonstrations};
use real_sandbox_api::Group;
use tokenizers::Tokenizer;

/// Seed of the bundled task sets; `datasets/README.md` has the commands that rebuild them.
const SEED: u64 = 1;

const SETS: [(&str, Split, usize); 2] =
    [("bundled://quickstart-train", Split::Train, 2000), ("bundled://quickstart-eval", Split::Eval, 256)];

fn model_folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../trainer-image/models/quickstart-base")
}

fn tokenizer() -> Tokenizer {
    Tokenizer::from_file(model_folder().join("tokenizer.json")).expect("the tokenizer loads")
}

fn index_of(task: &Task) -> u64 {
    task.id.rsplit('-').next().and_then(|index| index.parse().ok()).expect("ids end in the candidate's number")
}

#[test]
fn bundled_tasks_are_the_candidates_of_their_seed_with_only_the_attacks_that_work() {
    for (uri, split, count) in SETS {
        let tasks = load(uri).expect("loads");
        assert_eq!(tasks.len(), count, "{uri}");
        for mut task in tasks.into_iter().take(100) {
            task.tests.retain(|test| test.group == Group::Functional);
            let candidate = candidate(Form::Short, split, SEED, index_of(&task)).task;
            assert!(!task.attacks.is_empty(), "{}", task.id);
            assert!(task.attacks.iter().all(|attack| candidate.attacks.contains(attack)), "{}", task.id);
            assert_eq!(Task { attacks: candidate.attacks.clone(), ..task }, candidate, "{uri}: rebuild it");
        }
    }
}

#[test]
fn every_bundled_task_has_four_tests_with_output_a_safe_reference_and_a_vulnerable_variant() {
    for (uri, ..) in SETS {
        for task in load(uri).expect("loads") {
            let of = |group| task.tests.iter().filter(|test| test.group == group).count();
            assert_eq!((of(Group::Functional), of(Group::Safety)), (4, task.attacks.len()));
            let kinds: Vec<SolutionKind> = task.solutions.iter().map(|solution| solution.kind).collect();
            assert_eq!(kinds, [SolutionKind::Secure, SolutionKind::Vulnerable]);
        }
    }
}

#[test]
fn training_and_evaluation_share_no_pair_of_table_and_column() {
    let pairs = |uri: &str| -> HashSet<(String, String)> {
        let mut pairs = HashSet::new();
        for task in load(uri).expect("loads") {
            let script = task.setup.script.expect("a database");
            for create in script.split("CREATE TABLE ").skip(1) {
                let (table, rest) = create.split_once(" (id INTEGER PRIMARY KEY").expect("a table");
                let columns = rest.split_once(")'").expect("its columns").0;
                for column in columns.split(", ").filter(|column| !column.is_empty()) {
                    pairs.insert((table.to_owned(), column.to_owned()));
                }
            }
        }
        pairs
    };
    let (train, eval) = (pairs(SETS[0].0), pairs(SETS[1].0));
    assert!(train.len() > 500 && eval.len() > 300, "{} {}", train.len(), eval.len());
    assert_eq!(train.intersection(&eval).count(), 0);
    let words = |pairs: &HashSet<(String, String)>| -> HashSet<String> {
        pairs.iter().flat_map(|(table, column)| [table.clone(), column.clone()]).collect()
    };
    assert!(words(&eval).is_subset(&words(&train)), "evaluation needs no word that training lacks");
}

#[test]
fn the_model_folder_is_what_the_generator_writes() {
    for (name, content) in quickstart_model_files() {
        let there = std::fs::read_to_string(model_folder().join(name)).expect("the file is there");
        assert!(
            there == content,
            "{name} is stale: run `real datasets tokenizer --out trainer-image/models/quickstart-base`"
        );
    }
}

#[test]
fn demonstrations_and_prompts_survive_the_tokenizer() {
    let tokenizer = tokenizer();
    let unknown = tokenizer.token_to_id("<unk>").expect("special");
    let check = |text: &str| {
        let encoding = tokenizer.encode(text, false).expect("encodes");
        assert!(!encoding.get_ids().contains(&unknown), "{text}");
        assert_eq!(tokenizer.decode(encoding.get_ids(), false).expect("decodes"), text);
        encoding.len()
    };
    let (mut prompts, mut responses, mut longest) = (0, 0, 0);
    let demonstrations = load_demonstrations("bundled://quickstart-demonstrations?count=3000&seed=5").expect("loads");
    for shown in &demonstrations {
        let (prompt, response) = (check(&shown.prompt[0].content), check(&shown.response));
        prompts += prompt;
        responses += response;
        longest = longest.max(prompt + response);
    }
    for (uri, ..) in SETS {
        for task in load(uri).expect("loads") {
            check(&task.prompt[0].content);
            for solution in task.solutions {
                check(&format!("```python\n{}\n```", solution.code));
            }
        }
    }
    let mean = |sum: usize| sum as f64 / demonstrations.len() as f64;
    println!("tokens: prompt {:.1}, response {:.1}, longest pair {longest}", mean(prompts), mean(responses));
    println!("vocabulary: {}", tokenizer.get_vocab_size(true));
    // Specials of the chat template included, the model's 256 positions are far away.
    assert!(longest < 100);
}

#[test]
fn the_configuration_fits_the_tokenizer() {
    let config: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(model_folder().join("config.json")).expect("is there"))
            .expect("JSON");
    assert_eq!(config["vocab_size"], tokenizer().get_vocab_size(true));
    assert_eq!(config["eos_token_id"], tokenizer().token_to_id("<|end|>").expect("special"));
}

#[test]
fn bundled_names_and_parameters_that_do_not_exist_are_refused_with_those_that_do() {
    let message = load("bundled://quickstart").expect_err("no such set").to_string();
    assert!(message.contains("quickstart-train, quickstart-eval"), "{message}");
    assert!(matches!(load("bundled://quickstart-eval?seed=3"), Err(LoadError::InvalidUri { .. })));
    for (uri, says) in [
        ("bundled://quickstart-demonstrations?count=many", "count=many"),
        ("bundled://quickstart-demonstrations?count=0", "from 1 to"),
        ("bundled://quickstart-demonstrations?sead=1", "unknown parameter `sead`"),
        ("bundled://other", "quickstart-demonstrations"),
    ] {
        let message = load_demonstrations(uri).expect_err("refused").to_string();
        assert!(message.contains(says), "{message}");
    }
}
