//! The most a request may ask for, as whoever runs the service says.

use real_sandbox_api::Limits;

/// Upper bounds of the limits of a test; a request's own limits count where they are lower.
#[derive(Clone, Copy, Debug, Default, PartialEq, clap::Args)]
pub struct Ceiling {
    /// Most wall-clock seconds of one test [default: what the request says].
    #[arg(long, value_parser = seconds)]
    pub wall_seconds: Option<f64>,
    /// Most memory of one test, in MiB [default: what the request says].
    #[arg(long, value_parser = clap::value_parser!(u64).range(16..))]
    pub memory_mib: Option<u64>,
    /// Most processes and threads of one test [default: what the request says].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub processes: Option<u32>,
    /// Most captured bytes of standard output, and of standard error [default: what the request says].
    #[arg(long)]
    pub output_bytes: Option<u64>,
}

impl Ceiling {
    /// What counts for a request that asks for `limits`.
    pub fn over(&self, limits: Limits) -> Limits {
        let wall = self.wall_seconds.unwrap_or(f64::INFINITY);
        Limits {
            // A loop that outlives the wall-clock bound is to end as a time limit of its own, not as a starved test.
            cpu_seconds: limits.cpu_seconds.min(wall),
            wall_seconds: limits.wall_seconds.min(wall),
            memory_mib: limits.memory_mib.min(self.memory_mib.unwrap_or(u64::MAX)),
            processes: limits.processes.min(self.processes.unwrap_or(u32::MAX)),
            output_bytes: limits.output_bytes.min(self.output_bytes.unwrap_or(u64::MAX)),
            disk_mib: limits.disk_mib,
        }
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.01..=3600.0).contains(seconds));
    seconds.ok_or_else(|| "it has to be a number from 0.01 to 3600".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_of_bound_and_request_counts() {
        let ceiling = Ceiling { wall_seconds: Some(3.0), memory_mib: Some(2048), ..Ceiling::default() };
        let asked = Limits::default();
        let counts = ceiling.over(asked);
        assert_eq!((counts.cpu_seconds, counts.wall_seconds), (3.0, 3.0));
        assert_eq!(Limits { cpu_seconds: asked.cpu_seconds, wall_seconds: asked.wall_seconds, ..counts }, asked);
        assert_eq!(Ceiling::default().over(asked), asked);
        let all = Ceiling { processes: Some(1), output_bytes: Some(7), memory_mib: Some(16), ..ceiling }.over(asked);
        assert_eq!((all.processes, all.output_bytes, all.memory_mib), (1, 7, 16));
    }
}
