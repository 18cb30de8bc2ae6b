import Foundation
import GaussNewton
import Testing

@testable import Training

@Suite struct ReportTests {
  let folder = TemporaryFolder()

  /// Lines of a run of some steps, where the loss of a step is 1/step.
  private func lines(_ steps: ClosedRange<Int>, method: String = "fgn", ranks: Int = 1) -> [String] {
    [
      #"{"event":"run","step":\#(steps.lowerBound - 1),"method":"\#(method)","ranks":\#(ranks),"threads":2,"mpi":"M","kernel":"K","parameters":9}"#
    ]
      + steps.map {
        #"{"event":"step","step":\#($0),"loss":\#(1 / Double($0)),"elapsed":\#(0.5 * Double($0 - steps.lowerBound + 1)),"seconds":0.4,"damping":0.3,"reduction_ratio":null,"solver_iterations":4,"phases":{"forward":0.1,"solve":0.2}}"#
      }
  }

  private func evaluation(_ split: String, _ step: Int, loss: Double, elapsed: Double) -> String {
    #"{"event":"evaluation","step":\#(step),"split":"\#(split)","loss":\#(loss),"accuracy":0.75,"top5_accuracy":0.9,"elapsed":\#(elapsed)}"#
  }

  @discardableResult
  private func write(_ name: String, _ lines: [String], configuration: String = "optimizer: {method: fgn}\n") throws
    -> String
  {
    let path = folder.path(name)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    try folder.write("\(name)/metrics.jsonl", Array(lines.joined(separator: "\n").utf8))
    try folder.write("\(name)/config.yaml", Array(configuration.utf8))
    return path
  }

  @Test func `A run is read with its curves`() throws {
    let path = try write(
      "a",
      lines(1...4, ranks: 2) + [
        evaluation("test", 4, loss: 0.7, elapsed: 2.5),
        #"{"event":"ranks","step":4,"steps":4,"imbalance":1.5,"ranks":[{"rank":0,"host":"x","seconds":{"forward":1,"communication":3}},{"rank":1,"host":"y","seconds":{"forward":3,"communication":1}}]}"#,
        #"{"event":"warning","step":3,"kind":"waiting","text":"one"}"#,
        #"{"event":"warning","step":4,"kind":"waiting","text":"two"}"#,
        #"{"event":"checkpoint","step":4,"path":"p","seconds":1}"#,
        #"{"event":"end","step":4,"reason":"completed","seconds":3}"#,
      ])
    for path in [path, path + "/", path + "/metrics.jsonl"] {
      let run = try RunRecord(path: path)
      #expect(run.name == "a" && run.method == "fgn" && run.ranks == 2 && run.threads == 2 && run.steps == 4)
      #expect(run.loss.map(\.value) == [1, 0.5, 1.0 / 3, 0.25] && run.loss.map(\.seconds) == [0.5, 1, 1.5, 2])
      #expect(run.reductionRatio.isEmpty && run.iterations.count == 4)
      #expect(run.seconds == 3 && run.ending == "completed")
      #expect(run.final("test")?.loss == 0.7 && run.final("train") == nil)
      #expect(run.imbalance.map(\.value) == [1.5] && run.rankTimes?.ranks.map(\.compute) == [1, 3])
      #expect(
        run.notices == [RunRecord.Notice(kind: "waiting", text: "two", firstStep: 3, lastStep: 4, count: 2)])
      let parts = try #require(run.phases.first?.parts)
      #expect(abs(parts.reduce(0, +) - 0.4) < 1e-12 && abs(parts.last! - 0.1) < 1e-12)
    }
  }

  @Test func `Steps on all rows go on with the curves`() throws {
    let full =
      #"{"event":"full_step","step":3,"objective":0.3,"loss":0.2,"elapsed":1.5,"seconds":0.4,"solver_iterations":7,"phases":{"jvp":0.3}}"#
    let run = try RunRecord(path: write("a", lines(1...2) + [full]))
    #expect(run.steps == 3 && run.seconds == 1.5)
    #expect(run.loss.map(\.value) == [1, 0.5, 0.2] && run.iterations.map(\.value) == [4, 4, 7])
    #expect(run.phases.count == 3 && run.damping.count == 2)
  }

  @Test func `The best model's scores are those of the run, at its own step`() throws {
    func best(_ split: String, loss: Double) -> String {
      evaluation(split, 4, loss: loss, elapsed: 3).replacing("\"split\"", with: "\"model_step\":2,\"split\"")
    }
    let run = try RunRecord(
      path: write(
        "a",
        lines(1...4) + [
          evaluation("validation", 0, loss: 2, elapsed: 0), evaluation("validation", 2, loss: 0.5, elapsed: 1),
          evaluation("test", 2, loss: 0.6, elapsed: 1), evaluation("validation", 4, loss: 0.9, elapsed: 2.5),
          best("train", loss: 0.4), best("test", loss: 0.6),
        ]))
    #expect(run.curve("validation", \.loss).map(\.value) == [2, 0.5, 0.9])
    #expect(run.final("validation")?.loss == 0.5 && run.final("test")?.loss == 0.6)
    #expect(run.curve("train", \.loss) == [RunRecord.Point(step: 2, seconds: 1, value: 0.4)])
    #expect(run.curve("test", \.loss).map(\.step) == [2, 2])
    let page = ReportPage([run]).html(version: "")
    let drawn = try #require((try data(page)["runs"] as? [[String: Any]])?[0])
    #expect((drawn["validationLoss"] as? [[Double]])?.map { $0[2] } == [2, 0.5, 0.9])
    #expect((drawn["validationAccuracy"] as? [Any])?.count == 3 && page.contains("<th>validation loss</th>"))
  }

  @Test func `The time of a resumed run goes on`() throws {
    let run = try RunRecord(
      path: write("a", lines(1...3) + [#"{"event":"end","step":3,"reason":"interrupted","seconds":2}"#] + lines(4...5)))
    #expect(run.loss.map(\.seconds) == [0.5, 1, 1.5, 2.5, 3])
    #expect(run.ending == nil && run.steps == 5)
  }

  @Test func `The last line may be cut anywhere`() throws {
    let whole = lines(1...3)
    let last = whole.last!
    for kept in 0..<last.count {
      let run = try RunRecord(path: write("a", whole.dropLast() + [String(last.prefix(kept))]))
      #expect(run.steps == 2, "\(kept) characters")
    }
  }

  @Test func `Losses that are no numbers are left out`() throws {
    let broken = lines(1...1)[1].replacing("\"loss\":1.0", with: "\"loss\":\"nan\"")
    #expect(broken.contains("nan"))
    let run = try RunRecord(path: write("a", lines(1...1) + [broken]))
    #expect(run.loss.count == 1)
  }

  @Test(arguments: [
    ("rubbish\n", "line 1"), ("", "line 1"), ("{\"event\":\"step\",\"step\":1}\n", "line 1"), ("[1, 2]\n", "line 1"),
    ("RUN\nrubbish\n{\"event\":\"end\",\"step\":1}\n", "line 2"),
    ("RUN\n{\"event\":\"step\",\"step\":1}\n", "line 2"),
  ])
  func `A file that is no run's is an error of its contents that names the line`(text: String, word: String) throws {
    let path = try write("a", [text.replacing("RUN", with: lines(1...1)[0])])
    let error = #expect(throws: StorageError.self) { try RunRecord(path: path) }
    #expect(error?.exitCode == 65 && error?.description.contains("metrics.jsonl: \(word):") == true, "\(error as Any)")
  }

  @Test func `What is missing is named`() throws {
    let path = try write("a", lines(1...2))
    for (missing, name) in [("none", "none"), ("a", "config.yaml"), ("a", "metrics.jsonl")] {
      if name != missing { try FileManager.default.removeItem(atPath: "\(path)/\(name)") }
      let error = #expect(throws: StorageError.self) { try RunRecord(path: folder.path(missing)) }
      #expect(error?.exitCode == 66 && error?.description.contains(name) == true)
    }
    let other = try write("b", lines(1...2), configuration: "just text")
    #expect(throws: StorageError.self) { try RunRecord(path: other) }
  }

  @Test func `The keys that differ are found`() throws {
    func run(_ name: String, _ configuration: String) throws -> RunRecord {
      try RunRecord(path: write(name, lines(1...1), configuration: configuration))
    }
    let one = try run("a", "optimizer: {method: fgn, momentum: 0.9}\nmodel: {layers: [tanh]}\n")
    let other = try run("b", "optimizer: {method: adam, momentum: 0.9}\nmodel: {layers: []}\nlogging: {x: 1}\n")
    let differences = RunRecord.differences([one, other])
    #expect(differences.map(\.key) == ["optimizer.method", "model.layers", "logging.x"])
    #expect(differences.map(\.values) == [["fgn", "adam"], ["[tanh]", "[]"], [nil, "1"]])
    #expect(RunRecord.differences([one, one]).isEmpty)
  }

  @Test func `Downsampling keeps spikes and means`() {
    var points = (1...10_000).map { RunRecord.Point(step: $0, seconds: Double($0) / 10, value: 1) }
    points[7321].value = 99
    points[42].value = -7
    let buckets = Downsampling.buckets(points, limit: 300)
    #expect(buckets.count == 300)
    #expect(buckets.map(\.maximum).max() == 99 && buckets.map(\.minimum).min() == -7)
    #expect(zip(buckets, buckets.dropFirst()).allSatisfy { $0.step < $1.step && $0.seconds < $1.seconds })
    #expect(buckets.allSatisfy { $0.minimum <= $0.mean && $0.mean <= $0.maximum })
    let few = Downsampling.buckets(Array(points.prefix(3)), limit: 300)
    #expect(few.map(\.mean) == [1, 1, 1] && few.map(\.step) == [1, 2, 3])
    #expect(Downsampling.buckets([], limit: 300).isEmpty)
    for count in [1, 299, 300, 301, 1000] {
      #expect(Downsampling.ranges(count, limit: 300).map(\.count).reduce(0, +) == count)
    }
  }

  /// The data that the script draws.
  private func data(_ page: String) throws -> [String: Any] {
    let start = try #require(page.range(of: #"<script type="application/json" id="data">"#)).upperBound
    let end = try #require(page[start...].range(of: "</script>")).lowerBound
    return try #require(try JSONSerialization.jsonObject(with: Data(page[start..<end].utf8)) as? [String: Any])
  }

  @Test func `A page is whole by itself`() throws {
    let runs = try [
      RunRecord(path: write("a", lines(1...2000) + [evaluation("test", 2000, loss: 0.5, elapsed: 1000)])),
      RunRecord(
        path: write("b", lines(1...20, method: "adam"), configuration: "optimizer: {method: adam}\n")),
    ]
    let page = ReportPage(runs).html(version: "1.2")
    for outside in ["http://", "https://", "src=", "@import", "url("] {
      let found = page.replacing("http://www.w3.org/2000/svg", with: "").replacing("`url(#${id})`", with: "")
      #expect(!found.contains(outside), "\(outside)")
    }
    #expect(page.utf8.count < 150_000)
    #expect(page.contains("optimizer.method") && page.contains("fgn-dist 1.2"))
    let list = try #require(try data(page)["runs"] as? [[String: Any]])
    #expect(list.map { $0["name"] as? String } == ["a", "b"])
    #expect((list[0]["loss"] as? [Any])?.count == ReportPage.resolution)
    #expect((list[1]["loss"] as? [Any])?.count == 20)
    #expect((list[0]["testLoss"] as? [[Double]]) == [[2000, 1000, 0.5, 0.5, 0.5]])
    #expect((list[0]["testAccuracy"] as? [[Double]])?[0][2] == 75)
    let phases = try #require(list[1]["phases"] as? [[Double]])
    #expect(abs(phases[0].dropFirst(2).reduce(0, +) - 400) < 0.1, "milliseconds of a step")
  }

  @Test func `Names are no markup`() throws {
    let name = #"a<b>&"</script><script>"#
    let path = try write(
      "x", lines(1...2) + [#"{"event":"warning","step":1,"kind":"k","text":"<i>&"}"#], configuration: "a: <script>\n")
    var run = try RunRecord(path: path)
    run.path = name.replacing("/", with: "")
    let page = ReportPage([run]).html(version: "")
    #expect(page.ranges(of: "<script").count == 2, "that of the data and that of the page")
    #expect(page.contains("&lt;i&gt;&amp;") && page.contains("a: &lt;script&gt;"))
    #expect((try data(page)["runs"] as? [[String: Any]])?[0]["name"] as? String == run.path)
  }

  @Test func `Runs of the same name are told apart by their paths`() throws {
    let runs = try [RunRecord(path: write("a/run", lines(1...2))), RunRecord(path: write("b/run", lines(1...2)))]
    let list = try #require(try data(ReportPage(runs).html(version: ""))["runs"] as? [[String: Any]])
    #expect(list.map { $0["name"] as? String } == runs.map(\.path))
  }

  @Test func `Of many ranks those that matter are shown`() throws {
    var run = try RunRecord(path: write("a", lines(1...2, ranks: 500)))
    run.rankTimes = RankTimes.sample((0..<500).map { (Double($0 == 77 ? 9 : 1), 1) })
    let list = try #require(try data(ReportPage([run]).html(version: ""))["runs"] as? [[String: Any]])
    let ranks = try #require(list[0]["ranks"] as? [String: Any])
    let shown = try #require(ranks["shown"] as? [[String: Any]])
    #expect(shown.count == ReportPage.bars && ranks["count"] as? Int == 500)
    #expect(shown.contains { $0["name"] as? String == "77 · node77" })
  }
}
