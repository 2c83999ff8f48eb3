//! Chat templates: Jinja as transformers sets it up for them.

use std::path::{Path, PathBuf};

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, context};
use serde::Serialize;
use serde_json::Value;

use super::{TokenizerError, python, rewrite, strings};

const NAME: &str = "chat";
/// Most steps of one rendering: a conversation of a thousand turns takes some ten thousand.
const MOST_STEPS: u64 = 10_000_000;

/// A chat template with the special tokens that it may name.
pub(super) struct ChatTemplate {
    dir: PathBuf,
    environment: Environment<'static>,
    special: Vec<(&'static str, String)>,
}

impl ChatTemplate {
    /// The template of a model's folder; none where it has none.
    pub(super) fn load(
        dir: &Path,
        settings: &Value,
        special: Vec<(&'static str, String)>,
    ) -> Result<Option<Self>, TokenizerError> {
        let Some(source) = source(dir, settings)? else { return Ok(None) };
        let error = |e: minijinja::Error| TokenizerError::Template { dir: dir.to_path_buf(), reason: in_words(&e) };
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(error)?;
        environment.set_syntax(syntax);
        environment.set_unknown_method_callback(strings::method);
        environment.add_function("raise_exception", |message: String| -> Result<String, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_function("strftime_now", python::strftime_now);
        environment.add_test("sequence", python::is_sequence);
        environment.add_test("iterable", python::is_iterable);
        environment.set_fuel(Some(MOST_STEPS));
        environment.set_formatter(python::written);
        environment.add_test("callable", python::is_callable);
        environment.add_filter("tojson", python::tojson);
        environment.add_filter("string", python::string);
        environment.add_filter("float", python::float);
        environment.add_filter("int", python::int);
        environment.add_filter("indent", python::indent);
        environment.add_filter("dictsort", python::dictsort);
        environment.add_filter("truncate", minijinja_contrib::filters::truncate);
        environment.add_function("joiner", minijinja_contrib::globals::joiner);
        environment.add_filter("percent_format", python::percent_format);
        environment.add_template_owned(NAME, rewrite::rewritten(&source)).map_err(error)?;
        Ok(Some(Self { dir: dir.to_path_buf(), environment, special }))
    }

    /// The conversation as text; with `answer`, up to where the next answer begins.
    pub(super) fn render(&self, messages: &[impl Serialize], answer: bool) -> Result<String, TokenizerError> {
        let special = minijinja::Value::from_pairs(self.special.iter().map(|(key, text)| (*key, text.as_str())));
        let messages = minijinja::Value::from(minijinja::value::Serde(messages));
        self.environment
            .get_template(NAME)
            .and_then(|template| {
                // Absent tools and documents are none, as transformers gives them: a template may tell none from undefined.
                let none = minijinja::Value::from(());
                let given =
                    context! { messages, add_generation_prompt => answer, tools => none.clone(), documents => none, ..special };
                template.render(given)
            })
            .map_err(|e| TokenizerError::Template { dir: self.dir.clone(), reason: in_words(&e) })
    }
}

/// An error with its place and causes, in a line: the template itself is known to who wrote it.
fn in_words(error: &minijinja::Error) -> String {
    match error.kind() {
        ErrorKind::OutOfFuel => format!("it does not end within {MOST_STEPS} steps"),
        _ => real_terminal::causes(error),
    }
}

/// The chat template: a file of its own, a string, or the one named `default` of a list.
fn source(dir: &Path, settings: &Value) -> Result<Option<String>, TokenizerError> {
    let path = dir.join("chat_template.jinja");
    if path.exists() {
        return std::fs::read_to_string(&path).map(Some).map_err(|source| TokenizerError::Read { path, source });
    }
    let named = |list: &Vec<Value>| {
        let default = list.iter().find(|entry| entry["name"] == "default")?;
        default["template"].as_str().map(str::to_owned)
    };
    Ok(match settings.get("chat_template") {
        Some(Value::String(source)) => Some(source.clone()),
        Some(Value::Array(list)) => named(list),
        _ => None,
    })
}
