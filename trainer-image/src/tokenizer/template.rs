//! Chat templates: Jinja as transformers sets it up for them.

use std::path::{Path, PathBuf};

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, context};
use real_datasets::guard::guarded;
use serde::Serialize;
use serde_json::Value;

use super::{TokenizerError, members, objects, printf, python, rewrite, strings, words};

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
        environment.add_function("joiner", minijinja_contrib::globals::joiner);
        environment.add_filter("wordcount", words::wordcount);
        environment.add_filter("modulo", printf::modulo);
        environment.add_filter("format", printf::format);
        environment.add_filter("member", members::member);
        environment.add_filter("item", members::item);
        environment.add_filter("attr", members::attr);
        environment.add_filter("truncate", words::truncate);
        environment.add_filter("wordwrap", words::wordwrap);
        environment.add_filter("center", words::center);
        environment.add_filter("urlencode", words::urlencode);
        environment.add_filter("forceescape", minijinja::filters::escape);
        environment.remove_global("debug");
        environment.add_function("cycler", objects::cycler);
        environment.add_function("with_rest", objects::with_rest);
        environment.add_template_owned(NAME, rewrite::rewritten(&source)).map_err(error)?;
        Ok(Some(Self { dir: dir.to_path_buf(), environment, special }))
    }

    /// The conversation as text; with `answer`, up to where the next answer begins.
    pub(super) fn render(&self, messages: &[impl Serialize], answer: bool) -> Result<String, TokenizerError> {
        let special = minijinja::Value::from_pairs(self.special.iter().map(|(key, text)| (*key, text.as_str())));
        let messages = minijinja::Value::from(minijinja::value::Serde(messages));
        let reason = |reason: String| TokenizerError::Template { dir: self.dir.clone(), reason };
        let render = || {
            let template = self.environment.get_template(NAME)?;
            // Absent tools and documents are none, as transformers gives them: a template may tell none from undefined.
            let none = minijinja::Value::from(());
            template.render(
                context! { messages, add_generation_prompt => answer, tools => none.clone(), documents => none, ..special },
            )
        };
        // The engine panics at some that are wrong, such as a loop that is left from within `with`.
        guarded(render)
            .map_err(|_| reason("it cannot be rendered: a block of it is left in a wrong way".to_owned()))?
            .map_err(|error| reason(in_words(&error)))
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
        None | Some(Value::Null) => None,
        Some(other) => {
            let reason =
                format!("chat_template is {other}; it has to be a template, or a list of them with their names");
            return Err(TokenizerError::Malformed { path: dir.join("tokenizer_config.json"), reason });
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::PathBuf;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Deserialize)]
    struct Rendered {
        rendered: Option<String>,
        /// What the template says; empty for what it does not stand.
        error: Option<String>,
    }

    #[derive(Deserialize)]
    struct Talk {
        messages: Vec<Value>,
        tools: bool,
        begin: bool,
    }

    #[derive(Deserialize)]
    struct Families {
        prelude: String,
        talks: BTreeMap<String, Talk>,
        rendered: BTreeMap<String, BTreeMap<String, Rendered>>,
    }

    #[derive(Deserialize)]
    struct Expressions {
        messages: Vec<Value>,
        rendered: Vec<Rendered>,
    }

    fn golden(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
    }

    fn json<T: for<'de> Deserialize<'de>>(name: &str) -> T {
        serde_json::from_slice(&fs::read(golden(name)).expect(name)).expect("its layout")
    }

    /// What is wrong with a rendering, if anything.
    fn difference(template: &str, messages: &[Value], begin: bool, wanted: &Rendered) -> Option<String> {
        let special = vec![("bos_token", "<s>".to_owned()), ("eos_token", "</s>".to_owned())];
        let got = ChatTemplate::load(Path::new("/nowhere"), &json!({"chat_template": template}), special)
            .and_then(|template| template.expect("there is one").render(messages, begin));
        match (got, &wanted.rendered, &wanted.error) {
            (Ok(text), Some(expected), _) if text == *expected => None,
            (Err(error), None, Some(expected)) if error.to_string().contains(expected) => None,
            (got, expected, _) => Some(format!("\n  {got:?}\n  {expected:?} {:?}", wanted.error)),
        }
    }

    #[test]
    fn templates_of_todays_families_render_as_transformers_does() {
        let Families { prelude, talks, rendered } = json("families.json");
        assert!(rendered.len() >= 25 && talks.len() >= 9, "{} families", rendered.len());
        let mut wrong = Vec::new();
        for (family, rendered) in rendered {
            let template = fs::read_to_string(golden(&format!("chat/{family}.jinja"))).expect("a template");
            for (name, wanted) in rendered {
                let Talk { messages, tools, begin } = &talks[&name];
                let template = if *tools { prelude.clone() + &template } else { template.clone() };
                wrong.extend(
                    difference(&template, messages, *begin, &wanted).map(|what| format!("{family}, {name}:{what}")),
                );
            }
        }
        assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
    }

    #[test]
    fn expressions_mean_what_jinja_and_python_mean_by_them() {
        let Expressions { messages, rendered } = json("expressions.json");
        let templates = fs::read_to_string(golden("expressions.txt")).expect("a list");
        let templates: Vec<&str> = templates.lines().collect();
        assert_eq!(templates.len(), rendered.len(), "make_chat_golden.py was run");
        assert!(templates.len() > 900);
        let pairs = templates.into_iter().zip(&rendered);
        let wrong: Vec<String> = pairs
            .filter_map(|(template, wanted)| {
                Some(format!("{template}{}", difference(template, &messages, true, wanted)?))
            })
            .collect();
        assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
    }
}
