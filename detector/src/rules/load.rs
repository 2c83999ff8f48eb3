//! Reading and cross-checking the data files.

use std::sync::OnceLock;

use thiserror::Error;

use super::embedded::{LIBRARY, RULES};
use super::models::{Effect, Guard, Leave, Open, Sink, Validators};
use super::registry::Registry;
use super::schema::{CallModel, GuardModel, LibraryFile, Of, Returns, Rule, SourceModel};
use crate::text::{CharSet, Pattern};

/// A mistake in the data files.
#[derive(Debug, Error)]
#[error("rules/{file}: {problem}")]
pub struct RegistryError {
    /// The file.
    file: String,
    /// What is wrong in it.
    problem: String,
}

/// The embedded data files. They are tested to load; a mistake in them gives an empty registry and an error at start.
///
/// # Errors
/// The first mistake found.
pub fn registry() -> Result<&'static Registry, &'static RegistryError> {
    static REGISTRY: OnceLock<Result<Registry, RegistryError>> = OnceLock::new();
    REGISTRY.get_or_init(|| Registry::load(RULES, LIBRARY)).as_ref()
}

impl Registry {
    /// Loads files, given as name and text.
    ///
    /// # Errors
    /// Where a file has another form, or names a language or class that does not exist.
    pub fn load(rules: &[(&str, &str)], library: &[(&str, &str)]) -> Result<Self, RegistryError> {
        let languages = crate::text::languages().map_err(|(file, problem)| fault(file, problem))?;
        let mut registry = Self { languages: languages.clone(), ..Self::default() };
        for (file, text) in library {
            let library: LibraryFile = read(file, text)?;
            registry.types.extend(library.types);
            registry.modules.extend(library.modules);
            registry.names.extend(library.names);
            registry.words.extend(library.words);
            registry.settings.extend(library.settings);
            let by_names = library.modules_by_names.into_iter();
            registry.modules_by_names.extend(by_names.map(|(module, names)| (module, names.into_iter().collect())));
            registry.declared.extend(library.declared);
            if let Some(model) = library.validators {
                let (keeps, by_returning) = (Some(class(file, &model.keeps)?), true);
                let guard = Guard { of: Of::Argument, keeps, number: false, matches: None, by_returning };
                registry.validators = Some(Validators {
                    first: model.first,
                    last: model.last,
                    tests: model.tests,
                    patterns: model.patterns,
                    matches: model.matches,
                    guard,
                });
            }
            registry.texts.extend(library.constants);
            registry.chains.extend(library.chains);
            for (class, methods) in library.builders {
                registry.builders.extend(methods.into_iter().map(|method| (method, class.clone())));
            }
            library.inert.iter().for_each(|path| registry.inert.add(path, &()));
            library.never_return.iter().for_each(|path| registry.never_return.add(path, &()));
            registry.everything.extend(library.everything);
            library.call_back.iter().for_each(|path| registry.call_back.add(path, &()));
            library.keep_callers.iter().for_each(|path| registry.keep_callers.add(path, &()));
            for model in &library.trees {
                registry.trees.add(model, &registry.languages).map_err(|problem| fault(file, problem))?;
            }
            registry.add_models(file, &library.sources, &library.calls, &library.guards)?;
        }
        registry.known_types = registry
            .types
            .values()
            .chain(registry.words.values())
            .chain(registry.builders.values())
            .chain(&registry.chains)
            .cloned()
            .collect();
        for (file, text) in rules {
            let rule: Rule = read(file, text)?;
            registry.add_models(file, &rule.sources, &rule.sanitizers, &rule.guards)?;
            for sink in &rule.sinks {
                let language = sink.language.as_deref().map(|id| registry.language(file, id)).transpose()?;
                let ready = Sink {
                    rule: registry.rules.len(),
                    argument: sink.argument.clone(),
                    part: sink.part,
                    language,
                    condition: sink.r#where.clone(),
                    unless: sink.unless.clone(),
                    alongside: sink.alongside.clone(),
                    from: sink.from,
                    cleared_by: sink.cleared_by,
                    executor: sink.executor.clone(),
                    harmless_from: sink.harmless_from.clone(),
                    no_texts: sink.no_texts.clone(),
                };
                sink.calls.iter().for_each(|path| registry.sinks.add(path, &ready));
            }
            let index = registry.rules.len();
            for leave in &rule.leaves {
                let language = registry.language(file, &leave.language)?;
                let ready = Leave {
                    rule: index,
                    language,
                    routes: leave.routes.clone(),
                    quoted: leave.quoted,
                    piece_words: leave.piece_words.clone(),
                };
                registry.leaves.push(ready);
            }
            for constant in &rule.constants {
                constant.calls.iter().for_each(|path| registry.constants.add(path, &(index, constant.clone())));
            }
            for regex in &rule.regexes {
                regex.calls.iter().for_each(|path| registry.regexes.add(path, &(index, regex.clone())));
            }
            registry.obligations.extend(rule.obligations.iter().map(|one| (index, one.clone())));
            if let Some(open) = &rule.anywhere {
                registry.open.push(Open {
                    rule: index,
                    language: registry.language(file, &open.language)?,
                    callee_words: open.callee_words.clone(),
                    sure_words: open.sure_words.clone(),
                    methods: open.methods.clone(),
                    condition: open.r#where.clone(),
                });
            }
            if registry.rules.iter().any(|other| other.id == rule.id) {
                return Err(fault(file, format!("another rule has the id `{}` too", rule.id)));
            }
            if !file.ends_with(&format!("/{}.yaml", rule.id)) {
                return Err(fault(file, format!("the file must be named after its id `{}`", rule.id)));
            }
            registry.rules.push(rule);
        }
        Ok(registry)
    }

    fn add_models(
        &mut self,
        file: &str,
        sources: &[SourceModel],
        calls: &[CallModel],
        guards: &[GuardModel],
    ) -> Result<(), RegistryError> {
        for source in sources {
            source.values.iter().for_each(|path| self.sources.add(path, &(source.note.clone(), source.kind)));
        }
        for call in calls {
            let effect = Effect {
                returns: call.returns,
                language: call.language.as_deref().map_or(Ok(0), |id| self.language(file, id))?,
                chars: call.chars.as_deref().map_or(Ok(CharSet::NONE), |text| class(file, text))?,
                argument: call.argument,
            };
            if call.returns == Returns::Closed && call.language.is_none() {
                return Err(fault(file, format!("{:?} returns `closed` and needs `language`", call.names)));
            }
            call.names.iter().for_each(|path| self.effects.add(path, &effect));
        }
        for guard in guards {
            let ready = Guard {
                of: guard.of,
                keeps: guard.keeps.as_deref().map(|text| class(file, text)).transpose()?,
                number: guard.number,
                matches: guard.matches,
                by_returning: guard.by_returning,
            };
            guard.names.iter().for_each(|path| self.guards.add(path, &ready));
        }
        Ok(())
    }

    fn language(&self, file: &str, id: &str) -> Result<usize, RegistryError> {
        self.languages.index(id).ok_or_else(|| {
            let known: Vec<&str> = self.languages.ids().collect();
            fault(file, format!("language `{id}` is not one of {}", known.join(", ")))
        })
    }
}

/// Reads a data file: YAML as it is written, JSON as it is embedded.
fn read<T: serde::de::DeserializeOwned>(file: &str, text: &str) -> Result<T, RegistryError> {
    if text.starts_with('{') {
        serde_json::from_str(text).map_err(|problem| fault(file, problem))
    } else {
        serde_saphyr::from_str(text).map_err(|problem| fault(file, problem))
    }
}

fn class(file: &str, text: &str) -> Result<CharSet, RegistryError> {
    Pattern::parse(text)
        .and_then(|pattern| pattern.single_class())
        .ok_or_else(|| fault(file, format!("`{text}` is not a character class such as `[a-z]`")))
}

fn fault(file: &str, problem: impl std::fmt::Display) -> RegistryError {
    RegistryError { file: file.to_owned(), problem: problem.to_string() }
}
