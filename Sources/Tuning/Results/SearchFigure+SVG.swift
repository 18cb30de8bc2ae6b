import Foundation
import Training

extension SearchFigure {
  /// Okabe and Ito's colours, which people with any colour vision can tell apart; beyond seven lines they are dashed.
  private static let palette = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6f6f6f"]
  private static let dashes = ["", "7 3", "2 3"]
  /// More lines than this have no place in the legend.
  private static let legend = 12

  private static let width = 580.0
  private static let right = width - 34
  private static let plotHeight = 300.0

  /// The picture; nil where no axis is one of numbers.
  package var svg: String? {
    if panels.isEmpty { return nil }
    let columns = min(2, panels.count)
    var (body, top) = ("", 0.0)
    for start in stride(from: 0, to: panels.count, by: columns) {
      let row = panels[start..<min(start + columns, panels.count)]
      for (column, panel) in row.enumerated() {
        body += "<g transform=\"translate(\(Double(column) * Self.width) \(top))\">\n\(Self.draw(panel))</g>\n"
      }
      top += row.map(Self.height).max()!
    }
    let size = (width: Double(columns) * Self.width, height: top + 26)
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(size.width) \(size.height)" width="\(size.width)" \
      height="\(size.height)" font-family="Helvetica, Arial, sans-serif" font-size="12">
      <rect width="100%" height="100%" fill="#ffffff"/>
      \(body)<text x="\(size.width / 2)" y="\(size.height - 10)" text-anchor="middle" fill="#5d6166">\
      bars: a standard error on either side; ring: the chosen setting; hollow: trained for a part of the steps</text>
      </svg>

      """
  }

  private static func names(of panel: Panel) -> [String] {
    let named = panel.lines.prefix(legend).map(\.name).filter { !$0.isEmpty }
    return panel.lines.count > legend ? named + ["and \(panel.lines.count - legend) more"] : named
  }

  private static func height(of panel: Panel) -> Double { plotHeight + 62 + 18 * Double(names(of: panel).count) }

  private static func draw(_ panel: Panel) -> String {
    let x = Places(panel.values.map(\.number), from: 70, to: right - 12)
    let points = panel.lines.flatMap(\.points)
    let y = LossAxis(points.map { ($0.loss, $0.error) }, from: plotHeight, to: 16)
    var parts = frame(panel, x, y)
    for (number, line) in panel.lines.enumerated() {
      let color = palette[number % palette.count]
      let dash = dashes[number / palette.count % dashes.count]
      let style =
        "stroke=\"\(color)\" fill=\"none\" stroke-width=\"1.6\"" + (dash.isEmpty ? "" : " stroke-dasharray=\"\(dash)\"")
      let places = line.points.map { "\(text(x[$0.value])),\(text(y[$0.loss]))" }.joined(separator: " ")
      parts.append("<polyline points=\"\(places)\" \(style)/>")
      // Bars of several lines stand beside each other.
      let shift = 1.5 * (Double(number % 7) - Double(min(7, panel.lines.count) - 1) / 2)
      for point in line.points { parts += draw(point, at: x[point.value], shift, y, color) }
      guard number < legend, !line.name.isEmpty else { continue }
      let height = plotHeight + 62 + 18 * Double(number)
      parts.append("<line x1=\"70\" x2=\"98\" y1=\"\(height - 4)\" y2=\"\(height - 4)\" \(style)/>")
      parts.append(label(line.name, 106, height, "start"))
    }
    if panel.lines.count > legend {
      parts.append(label(names(of: panel).last!, 106, plotHeight + 62 + 18 * Double(legend), "start"))
    }
    return parts.joined(separator: "\n") + "\n"
  }

  private static func draw(_ point: Point, at x: Double, _ shift: Double, _ y: LossAxis, _ color: String) -> [String] {
    let (high, low) = (y[point.loss + point.error], y[point.loss - point.error])
    let (place, height) = (text(x), text(y[point.loss]))
    var parts = [
      "<line x1=\"\(text(x + shift))\" x2=\"\(text(x + shift))\" y1=\"\(text(high))\" y2=\"\(text(low))\" "
        + "stroke=\"\(color)\" opacity=\"0.55\"/>",
      "<circle cx=\"\(place)\" cy=\"\(height)\" r=\"3.2\" stroke=\"\(color)\" stroke-width=\"1.4\" "
        + "fill=\"\(point.isPartial ? "#ffffff" : color)\"/>",
    ]
    if point.isChosen {
      parts.append(
        "<circle class=\"chosen\" cx=\"\(place)\" cy=\"\(height)\" r=\"8\" stroke=\"#000000\" stroke-width=\"1.8\" fill=\"none\"/>"
      )
    }
    return parts
  }

  /// The axes with their labels.
  private static func frame(_ panel: Panel, _ x: Places, _ y: LossAxis) -> [String] {
    var parts: [String] = []
    for tick in y.ticks {
      let height = text(y[tick])
      parts.append("<line x1=\"58\" x2=\"\(right)\" y1=\"\(height)\" y2=\"\(height)\" stroke=\"#e2e2df\"/>")
      parts.append(label(String(format: "%.6g", tick), 52, y[tick] + 4, "end"))
    }
    var end = -Double.infinity
    for (number, name) in panel.values {
      let place = x[number]
      parts.append(
        "<line x1=\"\(text(place))\" x2=\"\(text(place))\" y1=\"\(plotHeight)\" y2=\"\(plotHeight + 5)\" stroke=\"#5d6166\"/>"
      )
      // A label that would run into the one before is left out.
      let half = 3.4 * Double(name.count)
      guard place - half > end + 6 else { continue }
      end = place + half
      parts.append(label(name, place, plotHeight + 19, "middle"))
    }
    parts.append(
      "<line x1=\"58\" x2=\"\(right)\" y1=\"\(plotHeight)\" y2=\"\(plotHeight)\" stroke=\"#5d6166\"/>")
    if let gap = x.gap {
      // Zero has no place on a logarithmic axis: two strokes say that it goes on from there.
      for shift in [-2.0, 3] {
        parts.append(
          "<line x1=\"\(text(gap + shift - 2))\" x2=\"\(text(gap + shift + 2))\" y1=\"\(plotHeight + 5)\" "
            + "y2=\"\(plotHeight - 5)\" stroke=\"#5d6166\"/>")
      }
    }
    parts.append(label(panel.key, (58 + right) / 2, plotHeight + 38, "middle", "#1d1f21"))
    parts.append(
      "<text transform=\"translate(13 \(plotHeight / 2)) rotate(-90)\" text-anchor=\"middle\" fill=\"#1d1f21\">"
        + "validation loss</text>")
    return parts
  }

  private static func label(
    _ text: String, _ x: Double, _ y: Double, _ anchor: String, _ color: String = "#5d6166"
  ) -> String {
    "<text x=\"\(Self.text(x))\" y=\"\(Self.text(y))\" text-anchor=\"\(anchor)\" fill=\"\(color)\">\(text.escaped)</text>"
  }

  private static func text(_ place: Double) -> String { String(format: "%.1f", place) }
}
