import Foundation
import Training

/// A picture of one or several adjacent panels, drawn by gnuplot as SVG and PNG.
package struct Figure {
  package struct Axis {
    package var label: String
    package var isLogarithmic = false

    package init(_ label: String, logarithmic: Bool = false) {
      self.label = label
      isLogarithmic = logarithmic
    }
  }

  package struct Series {
    package var name: String
    /// The colour, as `#rrggbb`.
    package var colour: String
    /// The points, in the order in which a line joins them. Points with equal x, such as those of several seeds, are
    /// replaced by their median, and a band spans them.
    package var points: [(x: Double, y: Double)]
    package var isDashed = false
  }

  package struct Panel {
    package var title: String
    package var x: Axis
    package var y: Axis
    package var series: [Series]
  }

  /// The name of the files, without an ending.
  package var name: String
  package var panels: [Panel]
  package var columns = 2

  /// The colours of Okabe and Ito, which people with colour vision deficiencies can distinguish. A method has the same
  /// colour in all figures.
  static func colour(_ method: String) -> String {
    switch method {
    case "fgn", "fgn-gram": "#0072B2"
    case "fgn-cg": "#56B4E9"
    case "ggn", "ggn-cg": "#D55E00"
    case "sgd": "#009E73"
    case "adam": "#CC79A7"
    default: "#000000"
    }
  }

  /// The colours of series that are not methods.
  static let palette = ["#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7"]

  /// Writes `NAME.gp`, `NAME.svg` and `NAME.png` to a folder. Call on rank 0 only.
  package func draw(in folder: String) throws {
    let script = "\(folder)/\(name).gp"
    try AtomicFile.write(script) { try $0.write(self.script) }
    let gnuplot = Process()
    gnuplot.executableURL = URL(filePath: "/usr/bin/env")
    gnuplot.arguments = ["gnuplot", "\(name).gp"]
    gnuplot.currentDirectoryURL = URL(filePath: folder)
    let messages = Pipe()
    gnuplot.standardError = messages
    gnuplot.standardOutput = FileHandle.nullDevice
    do { try gnuplot.run() } catch { throw GnuplotError(script: script, problem: "cannot be started") }
    let text = String(decoding: messages.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    gnuplot.waitUntilExit()
    if gnuplot.terminationStatus == 127 { throw GnuplotError(script: script, problem: "is not installed") }
    guard gnuplot.terminationStatus == 0 else { throw GnuplotError(script: script, problem: text) }
  }

  private var script: String {
    let rows = (panels.count + columns - 1) / columns
    let size = (width: 560 * min(columns, panels.count), height: 420 * rows)
    var lines = [
      "# gnuplot \(name).gp draws \(name).svg and \(name).png",
      "set encoding utf8",
    ]
    var blocks: [[[String]]] = []
    for (p, panel) in panels.enumerated() {
      blocks.append([])
      for (s, series) in panel.series.enumerated() {
        let name = "$p\(p)s\(s)"
        // A line breaks at a missing number; a logarithmic axis has no place for numbers that are not positive.
        let points = Self.summarized(series.points).filter {
          $0.x.isFinite && $0.y.isFinite && (!panel.x.isLogarithmic || $0.x > 0)
            && (!panel.y.isLogarithmic || $0.low > 0)
        }
        lines.append("\(name) << EOD")
        lines += points.map { "\($0.x) \($0.y) \($0.low) \($0.high)" }
        lines.append("EOD")
        if points.isEmpty { continue }
        let style = series.isDashed ? "dt 2" : "dt 1"
        if points.contains(where: { $0.low < $0.high }) {
          blocks[p].append([
            "\(name) using 1:3:4 with filledcurves lc rgb '\(series.colour)' fs transparent solid 0.2 noborder notitle"
          ])
        }
        blocks[p].append([
          "\(name) using 1:2 with \(points.count > 40 ? "lines" : "linespoints") lw 2.5 pt 7 ps 0.6 lc rgb '\(series.colour)' "
            + "\(style) title \"\(series.name)\""
        ])
      }
    }
    for (terminal, ending) in [
      ("svg size \(size.width),\(size.height) font 'Helvetica,17' background '#ffffff'", "svg"),
      ("pngcairo size \(size.width),\(size.height) font 'Helvetica,13'", "png"),
    ] {
      lines += ["set terminal \(terminal)", "set output '\(name).\(ending)'"]
      lines.append("set multiplot layout \(rows),\(min(columns, panels.count))")
      for (p, panel) in panels.enumerated() where !blocks[p].isEmpty {
        lines += [
          "set title \"\(panel.title)\"", "set xlabel \"\(panel.x.label)\"", "set ylabel \"\(panel.y.label)\"",
          Self.scale("x", panel.x, panel.series.flatMap { $0.points.map(\.x) }),
          Self.scale("y", panel.y, panel.series.flatMap { $0.points.map(\.y) }),
          "set grid lc rgb '#dddddd'", "set border 3", "set bmargin \(Self.bottomMargin(panel.series.count))",
          "set tics nomirror",
          "set key \(panel.series.count > 1 ? "on below samplen 2" : "off")",
          "plot " + blocks[p].joined().joined(separator: ", \\\n  "),
        ]
      }
      lines += ["unset multiplot", "unset output"]
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Lines of text below a panel: the axis and, with several series, their names.
  private static func bottomMargin(_ seriesCount: Int) -> Double {
    switch seriesCount {
    case ...1: 3.5
    case ...4: 6.5
    default: 3.5 + Double(seriesCount)
    }
  }

  /// gnuplot's settings of an axis. Labels are powers of ten where there are many decades; within one decade an axis is
  /// not logarithmic.
  private static func scale(_ axis: String, _ settings: Axis, _ values: [Double]) -> String {
    let positive = values.filter { $0.isFinite && $0 > 0 }
    let decades = log10((positive.max() ?? 1) / (positive.min() ?? 1))
    guard settings.isLogarithmic, decades > 1 else {
      return "unset logscale \(axis); set format \(axis) '%g'; set \(axis)tics autofreq"
    }
    let format = decades > 4 ? "10^{%L}" : "%g"
    // Within two decades, one label per decade is not enough.
    let labels = (-4...4).flatMap { ["1e\($0)", "3e\($0)"] }.joined(separator: ",")
    let tics = "set \(axis)tics " + (decades > 2 ? "autofreq" : "(\(labels))")
    return "set logscale \(axis); set format \(axis) '\(format)'; \(tics)"
  }

  /// The median, smallest and largest y for each x.
  private static func summarized(
    _ points: [(x: Double, y: Double)]
  ) -> [(x: Double, y: Double, low: Double, high: Double)] {
    var order: [Double] = []
    var values: [Double: [Double]] = [:]
    for point in points {
      if values[point.x] == nil { order.append(point.x) }
      values[point.x, default: []].append(point.y)
    }
    return order.map { x in (x, values[x]!.median, values[x]!.min()!, values[x]!.max()!) }
  }
}

/// The error of a figure that gnuplot has not drawn.
struct GnuplotError: Error, CustomStringConvertible {
  let script: String
  let problem: String

  var description: String {
    "gnuplot \(problem) (for \(script)); install it (apt-get install gnuplot-nox) and run the study again, which only "
      + "measures what is missing, or leave the figures out with --no-figures"
  }
}
