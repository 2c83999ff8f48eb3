//! Chat templates as transformers renders them, whose words `tests/golden/make_chat_golden.py` wrote, and which tokens end an
//! answer.

use std::fs;
use std::path::{Path, PathBuf};

use real_trainer::tokenizer::Tokenizer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Golden {
    special: Value,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    template: String,
    messages: Vec<Message>,
    rendered: Option<String>,
    error: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Message {
    role: String,
    content: String,
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// A folder with the golden tokenizer of ten words and these settings.
fn folder(settings: &Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::copy(golden("tokenizer/tokenizer.json"), folder.path().join("tokenizer.json")).expect("copied");
    write(folder.path(), "tokenizer_config.json", settings);
    folder
}

fn write(folder: &Path, name: &str, content: &Value) {
    fs::write(folder.join(name), content.to_string()).expect("written");
}

#[test]
fn chat_templates_render_as_transformers_does() {
    let golden: Golden =
        serde_json::from_slice(&fs::read(golden("chat.json")).expect("chat.json")).expect("its layout");
    assert!(golden.cases.len() >= 40, "20 templates with two conversations each");
    let mut wrong = Vec::new();
    for case in golden.cases {
        let mut settings = golden.special.clone();
        settings["chat_template"] = case.template.into();
        let rendered =
            Tokenizer::load(folder(&settings).path()).and_then(|tokenizer| tokenizer.chat_text(&case.messages));
        match (rendered, case.rendered, case.error) {
            (Ok(text), Some(expected), _) if text == expected => {}
            (Err(error), None, Some(expected)) if error.to_string().contains(&expected) => {}
            (got, expected, _) => wrong.push(format!("{}:\n  {got:?}\n  {expected:?}", case.name)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_end_that_is_taught_is_the_turns_own_in_whatever_order_ends_are_listed() {
    // `</s>` is 2, `<s>` 1, `<unk>` 3; all three are special.
    let template = "{% for m in messages %}<s> {{ m.role }} {{ m.content }} <unk>\n{% endfor %}";
    let closes_only_before_another =
        "{% for m in messages %}<s> {{ m.content }}{% if not loop.last %} <unk>{% endif %}{% endfor %}";
    for listed in [json!([2, 3]), json!([3, 2]), json!(2), json!([2]), json!(3), Value::Null] {
        let folder = folder(&json!({"eos_token": "</s>", "chat_template": template}));
        write(folder.path(), "generation_config.json", &json!({"eos_token_id": listed, "temperature": 0.5}));
        let tokenizer = Tokenizer::load(folder.path()).expect("a tokenizer");
        assert_eq!(tokenizer.end_of_turn(), 3, "{listed}: what the template puts after an answer");
        let mut ends = tokenizer.eos().to_vec();
        ends.sort_unstable();
        assert_eq!(ends, [2, 3], "{listed}: the tokenizer's own end and the turn's, each of them stops");

        let saved = tempfile::tempdir().expect("a temporary folder");
        tokenizer.save(saved.path()).expect("saved");
        let again = Tokenizer::load(saved.path()).expect("a tokenizer");
        assert_eq!(
            (again.end_of_turn(), again.eos().len()),
            (3, 2),
            "{listed}: a checkpoint ends answers as its run did"
        );
        let config: Value =
            serde_json::from_slice(&fs::read(saved.path().join("generation_config.json")).expect("a file"))
                .expect("JSON");
        let ids = &config["eos_token_id"];
        assert!(ids == 3 || ids.as_array().is_some_and(|ids| ids.contains(&json!(3))), "others stop at it too: {ids}");
        assert_eq!(config["temperature"], 0.5);
    }
    for listed in [json!([2, 3]), json!([3, 2])] {
        let folder = folder(&json!({"eos_token": "</s>", "chat_template": closes_only_before_another}));
        write(folder.path(), "generation_config.json", &json!({"eos_token_id": listed}));
        assert_eq!(Tokenizer::load(folder.path()).expect("a tokenizer").end_of_turn(), 3, "{listed}");
    }
}

#[test]
fn without_a_template_the_tokenizers_own_end_is_taught_and_where_nothing_ends_an_answer_it_is_an_error() {
    for listed in [json!([1, 2]), json!([2, 1]), Value::Null] {
        let folder = folder(&json!({"eos_token": {"content": "</s>"}}));
        write(folder.path(), "config.json", &json!({"eos_token_id": listed}));
        let tokenizer = Tokenizer::load(folder.path()).expect("a tokenizer");
        assert_eq!(tokenizer.end_of_turn(), 2, "{listed}");
    }
    let only_listed = folder(&json!({}));
    write(only_listed.path(), "generation_config.json", &json!({"eos_token_id": [1, 2]}));
    assert_eq!(Tokenizer::load(only_listed.path()).expect("a tokenizer").end_of_turn(), 1);
    let error = Tokenizer::load(folder(&json!({})).path()).err().expect("no end").to_string();
    assert!(error.contains("answers would not end"), "{error}");
}

#[test]
fn a_template_that_does_not_end_or_raises_is_an_error_of_one_line() {
    let again = "{% for i in range(9000) %}{% for j in range(9000) %}x{% endfor %}{% endfor %}";
    let deep = "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}";
    for (template, expected) in [
        (again, "does not end within 10000000 steps"),
        (deep, "recursion"),
        ("{{ raise_exception('no tools here') }}", "no tools here"),
        ("{{ messages[0].content.swapcaze() }}", "swapcaze"),
        ("{% for m in messages %}{% with %}{% break %}{% endwith %}{% endfor %}", "left in a wrong way"),
        ("{{ '%999999999d' % 1 }}", "at most 1048576 characters"),
    ] {
        let tokenizer = Tokenizer::load(folder(&json!({"eos_token": "</s>", "chat_template": template})).path());
        let said = tokenizer.and_then(|tokenizer| tokenizer.chat_text(&[json!({"role": "user", "content": "a"})]));
        let said = said.expect_err(template).to_string();
        assert!(said.contains(expected) && !said.contains('\n'), "{said}");
    }
}
