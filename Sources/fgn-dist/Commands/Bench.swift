import ArgumentParser
import Foundation
import LinearAlgebra
import MPI
import Training

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure the program on this machine, as ratios within one run.",
    discussion: """
      In one process: a conjugate gradient iteration against its two matrix products alone, and the margin pass. Under
      mpirun also steps on all ranks against the same steps on rank 0 alone. Figures are medians of paired repetitions.
      """)

  @Flag(help: "Print JSON.")
  var json = false

  @Option(parsing: .unconditional, help: "Examples in the global batch.")
  var rows = 4096

  @Option(parsing: .unconditional, help: "Features of an example.")
  var features = 784

  @Option(parsing: .unconditional, help: "Classes.")
  var classes = 100

  @Option(parsing: .unconditional, help: "Paired repetitions of each measurement.")
  var repetitions = 15

  func validate() throws {
    for (name, value) in [("rows", rows), ("features", features), ("repetitions", repetitions)] where value < 1 {
      throw ValidationError("--\(name) \(value) is impossible; it must be at least 1")
    }
    let numbers =
      Double(rows) * (Double(features) + 3 * Double(classes)) + 8 * (Double(features) + 1) * Double(classes)
    if 4 * numbers > Double(HostMemory.limit()) {
      throw ValidationError(
        "\(rows) × \(features) examples of \(classes) classes take \((4 * numbers).gigabytes), and there are "
          + "\(HostMemory.limit().gigabytes) of memory; lower --rows, --features or --classes")
    }
    if classes < 2 { throw ValidationError("--classes \(classes) is impossible; it must be at least 2") }
  }

  func run() throws {
    try Job.run { job in
      let benchmark = Benchmark(
        rows: rows, features: features, classes: classes, repetitions: repetitions, communicator: job.communicator)
      let report = Report(
        machine: job.description, ranks: job.communicator.size, threads: Threads.count, rows: rows, features: features,
        classes: classes, iteration: try benchmark.headIteration(),
        perceptronIteration: try benchmark.perceptronIteration(),
        convolutionalIteration: try benchmark.convolutionalIteration(), marginPass: benchmark.marginPass(),
        scaling: try benchmark.scaling(), gramScaling: try benchmark.gramScaling())
      try job.communicator.onRoot { try StandardOutput.print(json ? report.json() : report.text) }
      return .success
    }
  }
}

/// The output of `bench`.
private struct Report: Encodable {
  var machine: String
  var ranks: Int
  var threads: Int
  var rows: Int
  var features: Int
  var classes: Int
  var iteration: Benchmark.Iteration
  var perceptronIteration: Benchmark.Iteration
  var convolutionalIteration: Benchmark.Iteration
  var marginPass: Benchmark.MarginPass
  var scaling: Benchmark.Scaling?
  var gramScaling: [Benchmark.GramScaling]?

  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  var text: String {
    var lines = [
      machine,
      "conjugate gradient iteration, linear head, \(rows) × \(features), \(classes) classes, float32:",
      "  \(iteration)",
      "conjugate gradient iteration, perceptron 784-256-128-10, 1024 rows, float32:", "  \(perceptronIteration)",
      "conjugate gradient iteration, convolutional network of LeNet's size, 256 rows, float32:",
      "  \(convolutionalIteration)",
      "margin pass, \(marginPass.rows) × \(marginPass.classes) logits, float32:",
      "  \(marginPass.gigabytesPerSecondPerThread.short) GB/s of logits per thread",
    ]
    if let scaling {
      lines.append("step of \(scaling.iterations) iterations, the same global batch:")
      lines.append(
        "  1 rank \(scaling.singleSeconds.milliseconds), \(ranks) ranks \(scaling.seconds.milliseconds)"
          + ", speed-up \(scaling.speedup.short)")
    }
    for scaling in gramScaling ?? [] {
      lines.append(
        "step with \(scaling.solver.rawValue), linear head, \(scaling.rows) × \(scaling.features), "
          + "\(scaling.classes) classes\(scaling.sharesClasses ? ", which ranks share out" : ""):")
      lines.append(
        "  1 rank \(scaling.singleSeconds.milliseconds), \(ranks) ranks \(scaling.seconds.milliseconds)"
          + ", speed-up \(scaling.speedup.short), allreduces of \(scaling.allreducedBytes) bytes"
          + " and allgathers of \(scaling.allgatheredBytes)")
    }
    return lines.joined(separator: "\n")
  }
}

extension Benchmark.Iteration: CustomStringConvertible {
  var description: String {
    "iteration \(seconds.milliseconds), its matrix products \(productSeconds.milliseconds), ratio \(ratio.short)"
  }
}

extension Double {
  fileprivate var milliseconds: String { (self * 1000).short + " ms" }
}
