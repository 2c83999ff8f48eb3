//! What people see of a run.

mod chart;
mod news;
mod screen;
mod series;
mod svg;
mod table;

pub use chart::draw as draw_chart;
pub use screen::{Screen, Verbosity, View};
pub use svg::write as write_svg;
pub use table::evaluations as evaluation_table;
