//! Jobs that cannot be run as they are written: exit code 2, and nothing is written.

use std::fs::{self, File};
use std::sync::Arc;

use parquet::data_type::Int64Type;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::job::Job;

const BEFORE: [&str; 3] = ["job.yaml", "model", "tasks.jsonl"];

/// Runs the job and checks the message and that nothing was written.
fn refused(job: &Job, args: &[&str], pieces: &[&str]) {
    let before = job.files();
    job.run(args).expect(2, pieces);
    assert_eq!(job.files(), before, "something was written");
}

#[test]
fn broken_yaml_is_shown_with_its_line() {
    let job = Job::new().with("kind: RealTrainingJob", "kind: [RealTrainingJob");
    refused(&job, &[], &["job.yaml:"]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let job = Job::new();
    fs::remove_file(job.path("job.yaml")).expect("it is there");
    refused(&job, &[], &["job.yaml", "No such file"]);
}

#[test]
fn an_unknown_field_is_named_with_its_line() {
    let job = Job::new().with("    alpha: 0.5", "    alhpa: 0.5");
    refused(&job, &[], &["job.yaml:18", "spec.reward.alhpa", "alpha"]);
}

#[test]
fn a_value_out_of_bounds_is_shown_with_what_is_allowed() {
    let job = Job::new().with("alpha: 0.5", "alpha: 1.5");
    refused(&job, &[], &["job.yaml:18", "spec.reward.alpha", "1.5", "1"]);
}

#[test]
fn a_value_set_on_the_command_line_is_checked_too() {
    refused(&Job::new(), &["--set", "spec.reward.alpha=1.5"], &["spec.reward.alpha", "1.5"]);
    refused(&Job::new(), &["--set", "spec.reward.alhpa=0.5"], &["spec.reward.alhpa"]);
}

#[test]
fn every_error_of_a_job_is_shown_at_once() {
    let job = Job::new().with("alpha: 0.5", "alpha: 1.5\n  seed: -1");
    refused(&job, &[], &["spec.reward.alpha", "spec.seed"]);
}

#[test]
fn a_missing_data_set_is_named() {
    let job = Job::new().with("tasks.jsonl", "nothing-here.jsonl");
    refused(&job, &[], &["spec.datasets.train[0].storageUri", "nothing-here.jsonl", "No such file"]);
}

#[test]
fn a_data_set_with_a_broken_line_is_shown_with_the_line() {
    let job = Job::new();
    fs::write(job.path("tasks.jsonl"), "{\"id\": \"one\"}\n").expect("writable");
    refused(&job, &[], &["spec.datasets.train[0].storageUri", "tasks.jsonl:1"]);
}

#[test]
fn a_missing_model_folder_is_named() {
    let job = Job::new().with("/model", "/modle");
    refused(&job, &[], &["spec.model.storageUri", "/modle", "config.json"]);
}

#[test]
fn a_model_folder_without_config_is_named() {
    let job = Job::new();
    fs::remove_file(job.path("model/config.json")).expect("it is there");
    refused(&job, &[], &["spec.model.storageUri", "/model has no config.json"]);
}

#[test]
fn a_parquet_file_of_another_schema_is_shown_with_its_columns() {
    let job = Job::new().with("tasks.jsonl", "other.parquet");
    let schema = Arc::new(parse_message_type("message other { required int64 weather; }").expect("a schema"));
    let file = File::create(job.path("other.parquet")).expect("writable");
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(WriterProperties::default())).expect("a writer");
    let mut group = writer.next_row_group().expect("a row group");
    let mut column = group.next_column().expect("no error").expect("one column");
    column.typed::<Int64Type>().write_batch(&[1], None, None).expect("written");
    column.close().expect("closed");
    group.close().expect("closed");
    writer.close().expect("closed");
    refused(&job, &[], &["spec.datasets.train[0].storageUri", "other.parquet", "weather"]);
}

#[test]
fn a_weakness_without_a_rule_is_named_with_those_that_have_one() {
    crate::job::program("real-detector");
    let said =
        ["--set spec.reward.cwes=[89, 9999]: spec.reward.cwes[1]: 9999 is not allowed", "rules for", "77, 78, 79"];
    refused(&Job::new(), &["--set", "spec.reward.cwes=[89, 9999]"], &said);
    let job = Job::new().with("alpha: 0.5", "alpha: 0.5\n    cwes: [89, 1, 2]");
    refused(&job, &[], &["job.yaml:19:16: spec.reward.cwes[1]: 1 is", "job.yaml:19:19: spec.reward.cwes[2]: 2 is"]);
}

#[test]
fn more_than_one_process_is_refused_and_not_left_out_in_silence() {
    refused(&Job::new(), &["--set", "spec.trainer.nodes=2"], &["spec.trainer.nodes: is 2", "one process", "cluster"]);
    let set = ["--set", "spec.trainer.processesPerNode=4"];
    refused(&Job::new(), &set, &["spec.trainer.processesPerNode: is 4"]);
}

#[test]
fn bundled_demonstrations_that_do_not_exist_are_refused_before_anything_starts() {
    let job = Job::new().with("ppo:", "sft:");
    for (uri, says) in [
        ("bundled://quickstart-demos", "there are quickstart-demonstrations"),
        ("bundled://quickstart-demonstrations?cuont=3", "unknown parameter `cuont`"),
        ("bundled://quickstart-demonstrations?count=0", "count=0"),
    ] {
        let set = format!("spec.datasets.train[0].storageUri={uri}");
        refused(&job, &["--set", &set], &["spec.datasets.train[0].storageUri", says]);
    }
}

#[test]
fn a_checkpoint_to_go_on_from_needs_resume() {
    let set = ["--set", "spec.checkpoint.resumeFrom=step-4"];
    refused(&Job::new(), &set, &["spec.checkpoint.resumeFrom", "is step-4", "add --resume"]);
}

#[test]
fn a_job_that_goes_on_from_nothing_contradicts_resume() {
    let job = Job::new().with("  reward:", "  checkpoint:\n    resumeFrom: none\n  reward:");
    fs::create_dir_all(job.path("runs/tiny")).expect("writable");
    fs::write(job.path("runs/tiny/spec.yaml"), "an earlier run").expect("writable");
    refused(&job, &["--resume"], &["job.yaml:18", "spec.checkpoint.resumeFrom", "is none", "--resume was given"]);
}

#[test]
fn a_checkpoint_that_is_not_there_is_named_with_those_that_are() {
    let job = Job::new().with("  reward:", "  checkpoint:\n    resumeFrom: step-4\n  reward:");
    fs::create_dir_all(job.path("runs/tiny/checkpoints/step-2")).expect("writable");
    fs::write(job.path("runs/tiny/checkpoints/step-2/manifest.json"), "{}").expect("writable");
    fs::write(job.path("runs/tiny/spec.yaml"), "an earlier run").expect("writable");
    refused(&job, &["--resume"], &["job.yaml:18", "is step-4", "there are step-2"]);
}

#[test]
fn the_job_of_these_tests_itself_has_no_error() {
    let job = Job::new();
    assert_eq!(job.files(), BEFORE);
    // No Python is the machine's fault and the only thing that is wrong.
    let mut command = job.command(&[]);
    command.env("REAL_PYTHON", "/nonexistent/python3");
    let said = crate::job::said(&mut command);
    said.expect(1, &["REAL_PYTHON"]);
    assert!(!said.stderr.contains("spec."), "{}", said.stderr);
}
