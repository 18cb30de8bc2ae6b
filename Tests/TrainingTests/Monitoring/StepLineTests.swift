import Foundation
import MPI
import Testing

@testable import GaussNewton
@testable import Training

@Suite struct StepLineTests {
  private func step(_ report: StepReport, seconds: Double = 0.0123456789012) -> MetricsEvent.Step {
    let phases = Phases()
    phases.measure(.solve) {}
    let cost = StepCost(seconds: seconds, phases: phases, traffic: Communicator.Statistics())
    return MetricsEvent.Step(step: 7, epoch: 2, report, rate: 0.1, cost, elapsed: 3.5)
  }

  private func object(_ step: MetricsEvent.Step) throws -> [String: Any] {
    let line = step.line
    #expect(line.last == UInt8(ascii: "\n") && line.count { $0 == UInt8(ascii: "\n") } == 1)
    return try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
  }

  @Test func `A line has all keys with the same bits`() throws {
    var report = StepReport(loss: 0.1 + 0.2, gradientNorm: 1e-300, damping: 1.0 / 3)
    report.solver = SolverSummary(iterations: 5, residual: 0.07, termination: .iterationLimit)
    report.stepNorm = 123_456_789.125
    report.reductionRatio = -4.5
    let step = step(report)
    let (text, object) = (String(decoding: step.line, as: UTF8.self), try object(step))
    #expect(
      object.keys.sorted() == [
        "accepted", "allgathered_bytes", "allgathers", "allreduced_bytes", "allreduces", "damping", "elapsed", "epoch",
        "event", "gradient_norm", "learning_rate", "loss", "phases", "reduction_ratio", "residual", "seconds", "solver",
        "solver_iterations", "step", "step_length", "step_norm", "termination",
      ])
    #expect(object["event"] as? String == "step" && object["step"] as? Int == 7 && object["epoch"] as? Int == 2)
    for (key, value) in [
      "loss": 0.1 + 0.2, "gradient_norm": 1e-300, "damping": 1.0 / 3, "step_norm": 123_456_789.125,
      "reduction_ratio": -4.5, "seconds": 0.0123456789012, "elapsed": 3.5, "learning_rate": 0.1, "residual": 0.07,
    ] { #expect(text.contains("\"\(key)\":\(value),"), "\(key)") }
    #expect(object["solver"] as? String == "cg" && object["termination"] as? String == "iteration-limit")
    #expect(object["accepted"] as? Bool == true && object["solver_iterations"] as? Int == 5)
    let phases = try #require(object["phases"] as? [String: Double])
    #expect(Set(phases.keys) == Set(Phases.Phase.allCases.map(\.rawValue)))
  }

  @Test func `What is missing is null and what is no number is a word`() throws {
    let object = try object(step(StepReport(loss: .nan, gradientNorm: .infinity, damping: -.infinity)))
    for key in ["reduction_ratio", "solver", "solver_iterations", "residual", "termination"] {
      #expect(object[key] is NSNull, "\(key)")
    }
    #expect(object["loss"] as? String == "nan" && object["gradient_norm"] as? String == "inf")
    #expect(object["damping"] as? String == "-inf")
    let first = step(StepReport(loss: 1, gradientNorm: 1, damping: nil))
    #expect(try self.object(first)["damping"] is NSNull)
  }

  @Test func `Seconds of phases are decimal fractions`() {
    for (seconds, text) in [
      (0.0, "0"), (1.5, "1.5"), (0.000000001, "0.000000001"), (0.1234567894, "0.123456789"), (12, "12.0"),
      (4e-10, "0"), (0.9999999999, "1.0"), (-1, "-1.0"), (1e12, "1000000000000.0"), (Double.nan, "\"nan\""),
    ] {
      var line = JSONLine()
      line.add("a", seconds: [("b", seconds)])
      #expect(String(decoding: line.finished(), as: UTF8.self) == "{\"a\":{\"b\":\(text)}}\n")
    }
  }

  /// The limit allows for a busy machine; on a quiet one it takes about 10 µs.
  @Test func `A step is logged in a few microseconds`() throws {
    let folder = TemporaryFolder()
    let metrics = try MetricsLog(path: folder.path("metrics.jsonl"), resumingAt: nil)
    let events = try TensorBoardLog(folder: folder.folder, host: "a", resumingAt: nil)
    var report = StepReport(loss: 0.4123123, gradientNorm: 0.123123, damping: 0.3)
    report.solver = SolverSummary(iterations: 5, residual: 0.07, termination: .converged)
    let event = step(report)
    var times: [Double] = []
    for _ in 0..<2000 {
      times.append(
        try ContinuousClock().measure {
          try metrics.write(event)
          try events.add(event.scalars, step: 7)
        } / .microseconds(1))
    }
    let median = times.sorted()[times.count / 2]
    print("logging a step: \(median.short) µs")
    #expect(median < 100)
  }
}
