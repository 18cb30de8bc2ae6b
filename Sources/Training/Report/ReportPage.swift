import Foundation
import GaussNewton

/// One self-contained HTML page about one or several runs: this file writes the tables, the script beside it draws the
/// curves.
package struct ReportPage {
  private let runs: [RunRecord]
  private let names: [String]
  private let figures: [Figure]

  /// A picture of the search that runs belong to.
  package struct Figure {
    /// The folder of the search.
    let name: String
    let svg: [UInt8]

    /// The pictures of the searches whose folders, or whose trials, are at `paths`, each once. Throws exit code 74.
    package static func all(of paths: [String]) throws -> [Figure] {
      var folders: [String] = []
      for path in paths {
        let folder = URL(fileURLWithPath: path).standardizedFileURL
        let parents = [folder, folder.deletingLastPathComponent().deletingLastPathComponent()].map(\.path)
        folders += parents.filter { !folders.contains($0) }
      }
      return try folders.map(RunDirectory.init(path:)).compactMap { directory in
        guard directory.isSearched, FileManager.default.fileExists(atPath: directory.searchFigure) else { return nil }
        let svg = try RunRecord.contents(directory.searchFigure)
        return Figure(name: URL(fileURLWithPath: directory.path).lastPathComponent, svg: Array(svg))
      }
    }
  }

  /// The number of buckets per curve, and of stretches per stack: fine enough for the eye.
  static let resolution = 300
  static let phaseResolution = 120
  /// The largest number of bars for ranks; beyond it, those with the most and the least work are shown.
  static let bars = 24

  package init(_ runs: [RunRecord], _ figures: [Figure] = []) {
    precondition(!runs.isEmpty, "a report is about runs")
    (self.runs, self.figures) = (runs, figures)
    let short = runs.map(\.name)
    names = Set(short).count == short.count ? short : runs.map(\.path)
  }

  /// The page; `version` is the program's version.
  package func html(version: String) -> String {
    """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>\(names.joined(separator: ", ").escaped) – fgn-dist report</title>
    <style>
    \(String(decoding: PackageResources.report_css, as: UTF8.self))
    </style>
    </head>
    <body>
    <header>
    <h1>\(runs.count == 1 ? names[0].escaped : "\(runs.count) runs")</h1>
    <div class="controls"><div id="runs"></div><div id="axis" role="group" aria-label="horizontal axis"></div></div>
    </header>
    <main>
    \(summary)
    \(notices)
    \(searches)
    <section id="charts" class="grid"></section>
    <section id="phases"></section>
    <section id="ranks"></section>
    \(differences)
    \(configurations)
    </main>
    <footer>fgn-dist \(version.escaped)</footer>
    <script type="application/json" id="data">\(data)</script>
    <script>
    \(String(decoding: PackageResources.report_js, as: UTF8.self))
    </script>
    </body>
    </html>

    """
  }

  // MARK: Tables

  private func table(_ head: [String], _ rows: [[String]], class name: String) -> String {
    let header = head.map { "<th>\($0)</th>" }.joined()
    let body = rows.map { "<tr>\($0.joined())</tr>" }.joined(separator: "\n")
    return "<div class=\"scroll\"><table class=\"\(name)\"><thead><tr>\(header)</tr></thead>\n"
      + "<tbody>\(body)</tbody></table></div>"
  }

  private func label(_ run: Int) -> String { "<th class=\"run\"><i data-run=\"\(run)\"></i>\(names[run].escaped)</th>" }

  private var summary: String {
    /// Marks the best value of a column, if there are several.
    func column(_ values: [Double?], _ text: (Double) -> String, best: ((Double, Double) -> Bool)? = nil) -> [String] {
      let known = values.compactMap { $0 }
      let winner = best.flatMap { Set(known).count > 1 ? known.min(by: $0) : nil }
      return values.map { value in
        guard let value else { return "<td>–</td>" }
        return value == winner ? "<td><b>\(text(value))</b></td>" : "<td>\(text(value))</td>"
      }
    }
    let percent: (Double) -> String = { String(format: "%.2f %%", 100 * $0) }
    let columns: [[String]] = [
      runs.indices.map(label),
      runs.map { "<td class=\"text\">\($0.method.escaped)</td>" },
      runs.map { "<td>\($0.ranks)</td>" }, runs.map { "<td>\($0.threads)</td>" },
      runs.map { "<td>\($0.steps)</td>" },
      column(runs.map { $0.final("train")?.loss }, \.short, best: <),
      column(runs.map { $0.final("validation")?.loss }, \.short, best: <),
      column(runs.map { $0.final("test")?.loss }, \.short, best: <),
      column(runs.map { $0.final("train")?.accuracy }, percent, best: >),
      column(runs.map { $0.final("validation")?.accuracy }, percent, best: >),
      column(runs.map { $0.final("test")?.accuracy }, percent, best: >),
      column(runs.map { $0.final("test")?.top5 }, percent, best: >),
      runs.map { "<td>\($0.seconds < 60 ? "\($0.seconds.short) s" : Duration.seconds($0.seconds).readable)</td>" },
      runs.map { run in
        if run.phases.isEmpty { return "<td>–</td>" }
        let sum = run.phases.reduce(0) { $0 + $1.parts.reduce(0, +) }
        return "<td>\((1000 * sum / Double(run.phases.count)).short) ms</td>"
      },
      runs.map { "<td class=\"text\">\($0.ending?.escaped ?? "not ended (running or killed)")</td>" },
    ]
    let head = [
      "run", "method", "ranks", "threads", "steps", "train loss", "validation loss", "test loss",
      "train accuracy", "validation accuracy", "test accuracy", "test top-5", "time", "a step", "end",
    ]
    return table(head, runs.indices.map { run in columns.map { $0[run] } }, class: "summary")
  }

  private var notices: String {
    let rows = runs.indices.flatMap { run in
      runs[run].notices.map { notice in
        let steps =
          notice.count == 1
          ? "step \(notice.firstStep)" : "\(notice.count) times, steps \(notice.firstStep) to \(notice.lastStep)"
        return [label(run), "<td class=\"text\">\(steps)</td>", "<td class=\"text long\">\(notice.text.escaped)</td>"]
      }
    }
    if rows.isEmpty { return "" }
    return "<h2>Warnings</h2>" + table(["run", "when", "the latest of its kind"], rows, class: "notices")
  }

  /// Pictures with colours of their own, whatever those of the page.
  private var searches: String {
    figures.map { figure in
      "<h2>Search \(figure.name.escaped)</h2>\n<img class=\"search\" alt=\"validation loss by setting\" "
        + "src=\"data:image/svg+xml;base64,\(Data(figure.svg).base64EncodedString())\">"
    }.joined(separator: "\n")
  }

  private var differences: String {
    if runs.count == 1 { return "" }
    let rows = RunRecord.differences(runs).map { key, values in
      ["<th class=\"key\">\(key.escaped)</th>"] + values.map { "<td class=\"text\">\($0?.escaped ?? "–")</td>" }
    }
    let head = ["key"] + runs.indices.map { "<i data-run=\"\($0)\"></i>\(names[$0].escaped)" }
    return "<h2>Where the configurations differ</h2>"
      + (rows.isEmpty ? "<p>Nowhere.</p>" : table(head, rows, class: "differences"))
  }

  private var configurations: String {
    runs.indices.map { run in
      "<details><summary>Configuration of \(names[run].escaped)</summary>"
        + "<pre>\(runs[run].configurationText.escaped)</pre></details>"
    }.joined(separator: "\n")
  }

  // MARK: Data of the script

  private var data: String {
    let phases = Phases.Phase.allCases.map(\.rawValue) + ["other"]
    let list = runs.indices.map { run in
      let record = runs[run]
      func curve(_ points: [RunRecord.Point]) -> String {
        JSON.list(
          Downsampling.buckets(points, limit: Self.resolution).map {
            JSON.numbers([$0.step.rounded(), $0.seconds, $0.mean, $0.minimum, $0.maximum])
          })
      }
      func evaluations(_ split: String, _ value: (RunRecord.Evaluation) -> Double) -> String {
        curve(record.curve(split, value))
      }
      return JSON.object([
        ("name", JSON.text(names[run])), ("loss", curve(record.loss)), ("damping", curve(record.damping)),
        ("ratio", curve(record.reductionRatio)), ("iterations", curve(record.iterations)),
        ("imbalance", curve(record.ranks > 1 ? record.imbalance : [])),
        ("trainLoss", evaluations("train", \.loss)), ("testLoss", evaluations("test", \.loss)),
        ("validationLoss", evaluations("validation", \.loss)),
        ("trainAccuracy", evaluations("train") { 100 * $0.accuracy }),
        ("validationAccuracy", evaluations("validation") { 100 * $0.accuracy }),
        ("testAccuracy", evaluations("test") { 100 * $0.accuracy }),
        (
          "phases",
          JSON.list(
            Downsampling.stretches(record.phases, limit: Self.phaseResolution).map { stretch in
              JSON.numbers([stretch.step.rounded(), stretch.seconds] + stretch.parts.map { 1000 * $0 })
            })
        ),
        ("ranks", ranks(record)),
      ])
    }
    return JSON.object([("phases", JSON.list(phases.map(JSON.text))), ("runs", JSON.list(list))])
  }

  /// Seconds of each rank by phase; `null` for a single rank.
  private func ranks(_ record: RunRecord) -> String {
    guard let times = record.rankTimes, times.ranks.count > 1 else { return "null" }
    var shown = Array(times.ranks.indices)
    if shown.count > Self.bars {
      shown.sort { times.ranks[$0].compute > times.ranks[$1].compute }
      shown = (shown.prefix(Self.bars / 2) + shown.suffix(Self.bars / 2)).sorted()
    }
    return JSON.object([
      ("count", "\(times.ranks.count)"), ("imbalance", JSON.number(times.imbalance)),
      ("communication", JSON.number(times.communicationShare)),
      (
        "shown",
        JSON.list(
          shown.map { rank in
            JSON.object([
              ("name", JSON.text("\(rank) · \(times.ranks[rank].host)")),
              ("seconds", JSON.numbers(times.ranks[rank].seconds)),
            ])
          })
      ),
    ])
  }
}

/// JSON for use within a script element.
private enum JSON {
  /// The number with five significant digits; `null` if it is not finite.
  static func number(_ value: Double) -> String {
    guard value.isFinite else { return "null" }
    if value == value.rounded(), abs(value) < 1e9 { return "\(Int(value))" }
    return String(format: "%.5g", value)
  }

  static func text(_ value: String) -> String {
    let bytes = (try? JSONEncoder().encode(value)) ?? Data("\"\"".utf8)
    return String(decoding: bytes, as: UTF8.self).replacing("<", with: "\\u003c")
  }

  static func numbers(_ values: [Double]) -> String { list(values.map(number)) }

  static func list(_ values: [String]) -> String { "[" + values.joined(separator: ",") + "]" }

  static func object(_ values: [(key: String, value: String)]) -> String {
    "{" + values.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",") + "}"
  }
}

extension String {
  /// The string as text of an HTML page or a picture in SVG.
  package var escaped: String {
    replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
      .replacing("\"", with: "&quot;")
  }
}
