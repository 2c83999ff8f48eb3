//! Findings as workflow commands of GitHub Actions
//! (<https://docs.github.com/actions/reference/workflow-commands-for-github-actions>).

use real_terminal::outln;

use super::judge::Checked;

/// Writes a command for each finding.
pub(super) fn print(checked: &Checked) {
    let file = &checked.name;
    for finding in &checked.findings {
        let title = format!("CWE-{} {}", finding.cwe, finding.rule);
        let way: Vec<String> =
            finding.trace.iter().map(|step| format!("{}:{} {}", step.line, step.column, step.note)).collect();
        let message = format!("{}\n{}", finding.message, way.join("\n"));
        outln!("{}", command(file, Some(finding.line), Some(finding.column), &title, &message));
    }
    for error in &checked.types {
        let column = Some(error.column).filter(|column| *column > 0);
        outln!("{}", command(file, Some(error.line), column, &format!("mypy {}", error.code), &error.message));
    }
    if let Some(failure) = &checked.failure {
        outln!("{}", command(file, failure.line, None, "not checked", &failure.message));
    }
}

fn command(file: &str, line: Option<u32>, column: Option<u32>, title: &str, message: &str) -> String {
    let number = |name: &str, value: Option<u32>| value.map(|value| format!(",{name}={value}")).unwrap_or_default();
    let (line, column) = (number("line", line), number("col", column));
    format!("::error file={}{line}{column},title={}::{}", property(file), property(title), data(message))
}

/// What stands behind the `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_end_its_command_and_begin_another() {
        let text = command("a,b.py", Some(3), None, "CWE-78 x", "50 %\n::set-env name=X::y");
        assert_eq!(text, "::error file=a%2Cb.py,line=3,title=CWE-78 x::50 %25%0A::set-env name=X::y");
        assert_eq!(text.lines().count(), 1);
    }
}
