//! What people see of a run.

mod chart;
mod news;
mod series;
mod svg;
mod table;
mod view;

pub use chart::draw as draw_chart;
pub use svg::write as write_svg;
pub use table::evaluations as evaluation_table;
pub use view::{Verbosity, View};
