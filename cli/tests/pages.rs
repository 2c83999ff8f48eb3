//! What README and docs tell people to type: commands that exist, and links that lead somewhere.

#[path = "../../tests/src/pages.rs"]
mod walk;

use clap::error::ErrorKind::{
    DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion, MissingRequiredArgument,
};
use walk::pages;

const HARMLESS: [clap::error::ErrorKind; 4] =
    [DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion, MissingRequiredArgument];

/// Calls of `real` in a page: after a prompt in a block, or within back quotes.
fn calls(text: &str) -> Vec<String> {
    let prompts = text.lines().filter_map(|line| line.strip_prefix("$ ").or_else(|| line.strip_prefix("# ")));
    // A page's headings begin like the prompt of root.
    let blocks = prompts.filter(|line| line.starts_with("real ") || line.starts_with("bin/real ")).map(str::to_owned);
    let quoted = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).map(str::to_owned);
    blocks
        .chain(quoted)
        .filter_map(|call| {
            let call = call.strip_prefix("bin/").unwrap_or(&call);
            let typed = call.strip_prefix("real ")?.split("  #").next()?.split(" || ").next()?;
            Some(typed.trim().trim_end_matches('&').trim().to_owned())
        })
        .filter(|call| !call.is_empty() && !call.starts_with('`') && !call.contains('|') && !call.contains('…'))
        .collect()
}

/// Shell words, as far as pages need them: quotes, and no expansion.
fn words(call: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in call.chars() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, ' ') => words.push(String::new()),
            (_, c) => words.last_mut().expect("one at least").push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn commands_on_pages_are_commands_that_exist() {
    let mut count = 0;
    let mut wrong = Vec::new();
    for (path, text) in pages() {
        if path.ends_with("docs/cli.md") || path.ends_with("CHANGELOG.md") {
            continue;
        }
        for call in calls(&text) {
            count += 1;
            let typed = std::iter::once("real".to_owned()).chain(words(&call));
            let result = real_cli::command_line::command().try_get_matches_from(typed);
            match result {
                Ok(_) => {}
                // A command may be named without all that it needs.
                Err(error) if HARMLESS.contains(&error.kind()) => {}
                Err(error) => wrong.push(format!("{}: real {call}: {error}", path.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 20, "only {count} commands are found");
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut count = 0;
    let mut broken = Vec::new();
    for (path, text) in pages() {
        // What is in back quotes is no link.
        let prose: String = text.split('`').step_by(2).collect();
        for target in prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") || file.starts_with("mailto:") || file.contains(' ') {
                continue;
            }
            count += 1;
            if !path.parent().expect("a page is in a folder").join(file).exists() {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(count >= 20, "only {count} links are found");
}
