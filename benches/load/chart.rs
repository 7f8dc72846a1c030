//! Latencies and CPU time as a picture.

use std::path::Path;

use anyhow::anyhow;
use plotters::{coord::Shift, prelude::*};

use crate::report::{Report, Row};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const SIZE: (u32, u32) = (960, 720);
const FONT: (&str, i32) = ("sans-serif", 15);
const TITLE: (&str, i32) = ("sans-serif", 18);

/// Colours that people who see few of them can tell apart (Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
];

/// Draws a report into an SVG file.
pub fn draw(report: &Report, file: &Path) -> anyhow::Result<()> {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let rows: Vec<(&Row, RGBColor)> = report.rows.iter().zip(COLOURS.into_iter().cycle()).collect();
    let bars = u32::try_from(rows.len()).unwrap_or_default() * 34 + 90;
    let (above, below) = root.split_vertically(SIZE.1.saturating_sub(bars));
    latencies(&above, &rows)?;
    cpu_times(&below, &rows)?;
    root.present()?;
    Ok(())
}

/// A line for each row: how long the fastest so many of a hundred took. Its colour is that of the row's bar.
///
/// The axis counts nines: 0 is the minimum, 1 is p90, 2 is p99.
fn latencies(area: &Area<'_>, rows: &[(&Row, RGBColor)]) -> anyhow::Result<()> {
    const MOST_NINES: f64 = 5.0;
    let points = |row: &Row| {
        let latencies = row.tally().latencies;
        // Of a thousand requests the slowest is p99.9, and nothing is known beyond it.
        let most = (latencies.len().max(1) as f64).log10().min(MOST_NINES);
        (0..=100)
            .map(|step| f64::from(step) / 100.0 * most)
            .map(|nines| {
                let micros = latencies.value_at_quantile(1.0 - 10_f64.powf(-nines));
                (nines, micros.max(1) as f64 / 1e3)
            })
            .collect::<Vec<_>>()
    };
    let lines: Vec<_> = rows.iter().map(|(row, colour)| (colour, points(row))).collect();
    let (mut nines, mut least, mut most) = (1.0_f64, f64::MAX, 0.01_f64);
    for (x, millis) in lines.iter().flat_map(|(_, points)| points) {
        nines = nines.max(*x);
        least = least.min(*millis);
        most = most.max(*millis);
    }
    let (across, up) = (0.0..nines.ceil(), least.min(most) / 1.2..most * 1.2);
    let mut chart = ChartBuilder::on(area)
        .caption("Latency in ms, by percentile", TITLE)
        .margin(12)
        .margin_right(40)
        .x_label_area_size(28)
        .y_label_area_size(60)
        .build_cartesian_2d(across, up.log_scale())?;
    chart
        .configure_mesh()
        .x_labels(6)
        .x_label_formatter(&|nines| percentile(*nines))
        .y_label_formatter(&|millis| format!("{millis}"))
        .label_style(FONT)
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (colour, points) in lines {
        chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
    }
    Ok(())
}

fn percentile(nines: f64) -> String {
    match nines.round() {
        0.0 => "min".to_owned(),
        1.0 => "p90".to_owned(),
        2.0 => "p99".to_owned(),
        whole => format!("p99.{}", "9".repeat(whole as usize - 2)),
    }
}

/// A bar for each row: its program's own time, and paler the kernel's on its behalf.
fn cpu_times(area: &Area<'_>, rows: &[(&Row, RGBColor)]) -> anyhow::Result<()> {
    let times: Vec<_> = rows
        .iter()
        .filter_map(|(row, colour)| {
            let (total, user) = row.cpu()?;
            Some((row, colour, total.median, user.median))
        })
        .collect();
    let most = times.iter().map(|(.., total, _)| *total).fold(1.0, f64::max);
    let (width, _) = area.dim_in_pixel();
    let (left, right) = (250, i32::try_from(width).map_err(|_| anyhow!("too wide"))? - 90);
    let across = |micros: f64| left + (f64::from(right - left) * micros / most) as i32;
    area.draw(&Text::new(
        "CPU time of a request in µs: the program's own, and the kernel's for it",
        (60, 14),
        TITLE.into_font(),
    ))?;
    for ((row, colour, total, user), index) in times.into_iter().zip(0..) {
        let top = 50 + 34 * index;
        let bar = |from: f64, to: f64, style: ShapeStyle| {
            area.draw(&Rectangle::new(
                [(across(from), top), (across(to), top + 24)],
                style,
            ))
        };
        bar(0.0, user, colour.filled())?;
        bar(user, total, colour.mix(0.4).filled())?;
        area.draw(&Text::new(row.name.clone(), (60, top + 5), FONT.into_font()))?;
        let figure = format!("{total:.1}");
        area.draw(&Text::new(figure, (across(total) + 8, top + 5), FONT.into_font()))?;
    }
    Ok(())
}
