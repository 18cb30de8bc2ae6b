import Foundation
import Testing

@testable import Training

@Suite struct PrometheusFileTests {
  let folder = TemporaryFolder()

  @Test func `Each metric has its help, its type and one sample`() {
    let text = PrometheusFile.text(
      .init(
        step: 120, loss: 0.25, learningRate: 0.5, stepSeconds: 1e-5, checkpointStep: 100, checkpointTime: 1.5e9,
        restarts: 2), run: "runs/a")
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.last == "" && lines.count == 3 * 7 + 1)
    var values: [String: String] = [:]
    for start in stride(from: 0, to: lines.count - 1, by: 3) {
      let name = lines[start].split(separator: " ")[2]
      #expect(lines[start].contains(/^# HELP [a-z_]+ [A-Z][^\\]*\.$/))
      #expect(lines[start + 1] == "# TYPE \(name) \(name.hasSuffix("_total") ? "counter" : "gauge")")
      let sample = lines[start + 2].split(separator: " ")
      #expect(sample.count == 2 && sample[0] == "\(name){run=\"runs/a\"}")
      values[String(name.dropFirst("fgn_dist_".count))] = String(sample[1])
    }
    #expect(
      values == [
        "step": "120.0", "loss": "0.25", "learning_rate": "0.5", "step_seconds": "1e-05", "checkpoint_step": "100.0",
        "checkpoint_timestamp_seconds": "1500000000.0", "restarts_total": "2.0",
      ])
  }

  @Test func `What is not known is not there, and what is not finite has the words of Prometheus`() {
    #expect(PrometheusFile.text(.init(), run: "a") == "")
    let losses = [Double.nan, .infinity, -.infinity].map { PrometheusFile.text(.init(loss: $0), run: "a").suffix(6) }
    #expect(losses == ["\"} NaN\n", "} +Inf\n", "} -Inf\n"].map { $0.suffix(6) })
  }

  @Test func `Quotes and backslashes in the name of a run are escaped`() {
    let text = PrometheusFile.text(.init(step: 1), run: "a\\b\"c\nd")
    #expect(text.hasSuffix(#"fgn_dist_step{run="a\\b\"c\nd"} 1.0"# + "\n"))
  }

  @Test func `A run that goes on has its checkpoint and its restarts from the start`() throws {
    let run = RunDirectory(path: folder.path("run"))
    try run.create(resuming: false)
    var state = TensorFile()
    state.metadata["x"] = "y"
    try run.checkpoints.save(step: 40, state)
    let file = try PrometheusFile(folder.path("run.prom"), run: run, environment: ["FGN_RESTARTS": "3"])
    func text() throws -> String { String(decoding: try folder.bytes("run.prom"), as: UTF8.self) }
    #expect(try text().contains("fgn_dist_checkpoint_step{run=\"\(run.path)\"} 40.0\n"))
    #expect(try text().contains("fgn_dist_restarts_total{run=\"\(run.path)\"} 3.0\n"))
    let time = try #require(text().firstMatch(of: /checkpoint_timestamp_seconds\{[^}]*\} ([0-9.e+]+)/)?.1)
    #expect(abs(try #require(Double(time)) - Date.now.timeIntervalSince1970) < 60)
    try file.noteCheckpoint(step: 80)
    #expect(try text().contains("fgn_dist_checkpoint_step{run=\"\(run.path)\"} 80.0\n"))
  }

  @Test func `A folder that is not there is a fault of the configuration, which no restart mends`() throws {
    let run = RunDirectory(path: folder.path("run"))
    let error = #expect(throws: ConfigurationError.self) { try PrometheusFile(folder.path("none/run.prom"), run: run) }
    #expect(error?.exitCode == 64 && error?.description.contains(folder.path("none")) == true)
  }
}
