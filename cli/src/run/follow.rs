//! Follows files of JSON lines that another process appends to, and replaces when it starts again.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::marker::PhantomData;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use real_crds::progress::{Evaluation, Warning};
use serde::de::DeserializeOwned;

use crate::record::{Step, parse_lines};

/// A line that belongs to a training step.
pub(crate) trait AtStep {
    /// The step.
    fn step(&self) -> u64;
}

impl AtStep for Step {
    fn step(&self) -> u64 {
        self.step
    }
}

impl AtStep for Evaluation {
    fn step(&self) -> u64 {
        self.step
    }
}

impl AtStep for Warning {
    fn step(&self) -> u64 {
        self.step
    }
}

/// Gives the lines that are new since the last look.
#[derive(Debug)]
pub(crate) struct Follower<T> {
    path: PathBuf,
    /// Identity and length of the file at the last look.
    seen: Option<(u64, u64)>,
    /// In a file that replaced another one, lines up to this step are old news.
    resumed_after: Option<u64>,
    line: PhantomData<T>,
}

impl<T: DeserializeOwned + AtStep> Follower<T> {
    /// Follows a file from its present end; a file that is replaced holds old news up to the step `resumed_after`.
    pub(crate) fn new(path: PathBuf, resumed_after: Option<u64>) -> Self {
        let seen = path.metadata().ok().map(|m| (m.ino(), m.len()));
        Self { path, seen, resumed_after, line: PhantomData }
    }

    /// Lines written to their end since the last look.
    pub(crate) fn news(&mut self) -> io::Result<Vec<T>> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let inode = file.metadata()?.ino();
        let (offset, replaced) = match self.seen {
            Some((known, length)) if known == inode => (length, false),
            Some(_) => (0, true),
            None => (0, false),
        };
        file.seek(SeekFrom::Start(offset))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        self.seen = Some((inode, offset + whole.len() as u64));
        let mut lines: Vec<T> = parse_lines(whole);
        if let Some(step) = self.resumed_after.filter(|_| replaced) {
            lines.retain(|line| line.step() > step);
        }
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn line(step: u64) -> String {
        format!("{{\"step\": {step}}}\n")
    }

    fn steps(follower: &mut Follower<Step>) -> Vec<u64> {
        follower.news().unwrap().iter().map(|s| s.step).collect()
    }

    #[test]
    fn each_whole_line_is_news_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        let mut follower = Follower::new(path.clone(), None);
        assert!(steps(&mut follower).is_empty());
        fs::write(&path, line(1) + "{\"st").unwrap();
        assert_eq!(steps(&mut follower), [1]);
        fs::write(&path, line(1) + &line(2)).unwrap();
        assert_eq!(steps(&mut follower), [2]);
        assert!(steps(&mut follower).is_empty());
    }

    #[test]
    fn after_a_restart_only_steps_done_again_are_news() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        fs::write(&path, line(1) + &line(2) + &line(3)).unwrap();
        let mut follower = Follower::new(path.clone(), Some(2));
        assert!(steps(&mut follower).is_empty());
        fs::write(dir.path().join("new"), line(1) + &line(2) + &line(3)).unwrap();
        fs::rename(dir.path().join("new"), &path).unwrap();
        assert_eq!(steps(&mut follower), [3]);
    }
}
