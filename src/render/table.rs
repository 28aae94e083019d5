use comfy_table::presets::{ASCII_MARKDOWN, NOTHING};
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement};

use super::Format;
use billctl_core::text;

/// A table for a terminal or for Markdown.
pub struct Table {
    inner: comfy_table::Table,
    markdown: bool,
}

impl Table {
    /// A table with these headings.
    pub fn new(format: Format, headings: &[&str]) -> Self {
        let mut inner = comfy_table::Table::new();
        let markdown = format == Format::Markdown;
        inner.load_style(if markdown { ASCII_MARKDOWN } else { NOTHING });
        // Lines longer than the terminal wrap by themselves; cells that wrap can't be searched or copied.
        inner.set_content_arrangement(ContentArrangement::Disabled);
        inner.set_header(headings.iter().map(|heading| {
            if markdown {
                (*heading).to_owned()
            } else {
                heading.to_uppercase()
            }
        }));
        Self { inner, markdown }
    }

    /// Numbers stand at the right.
    #[must_use]
    pub fn right(mut self, columns: &[usize]) -> Self {
        for column in columns {
            if let Some(column) = self.inner.column_mut(*column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let markdown = self.markdown;
        self.inner.add_row(cells.into_iter().map(|cell| {
            // The texts in it are clean already, but for what would end the cell or the row.
            let safe = text::terminal(&cell).replace(['\n', '\t'], " ");
            Cell::new(if markdown { bars(&safe) } else { safe })
        }));
    }

    /// How many columns of a terminal its longest line takes.
    pub fn width(&self) -> usize {
        let columns = self.inner.column_max_content_widths();
        // A space on either side of each column; the last one's is cut off.
        let widths = columns
            .iter()
            .zip(self.inner.column_iter())
            .filter(|(_, column)| !column.is_hidden())
            .map(|(width, _)| usize::from(*width) + 2);
        widths.sum::<usize>().saturating_sub(1)
    }

    /// Hides columns in this order until the rest fits into `width` columns of a terminal, and tells which it hid.
    pub fn fit(&mut self, width: usize, dispensable: &[usize]) -> Vec<usize> {
        let mut hidden = Vec::new();
        for index in dispensable {
            if self.width() <= width {
                break;
            }
            if let Some(column) = self.inner.column_mut(*index) {
                column.set_constraint(ColumnConstraint::Hidden);
                hidden.push(*index);
            }
        }
        hidden
    }

    /// The text, without trailing spaces.
    pub fn render(&self) -> String {
        let text = self.inner.to_string();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        lines.join("\n")
    }
}

/// A cell with its bars escaped, as GitHub's Markdown asks for, in code too. A backslash right before a bar would
/// escape the escape.
fn bars(cell: &str) -> String {
    cell.replace("\\|", "\\ |").replace('|', "\\|")
}
