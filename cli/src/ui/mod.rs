//! What people see of a run.

mod chart;
mod news;
mod number;
mod series;
mod svg;
mod table;
mod view;
mod work;

pub use chart::draw as draw_chart;
pub(crate) use number::fixed;
pub use svg::write as write_svg;
pub use table::evaluations as evaluation_table;
pub use view::{Verbosity, View};
pub(crate) use work::Work;
