import Foundation
import GaussNewton
import LinearAlgebra
import MPI

/// The split of the curvature at the logits, diag(π) − ππᵀ = p(1−p) v vᵀ + (1−p)(diag(q) − q qᵀ), checked element by
/// element.
struct Decomposition: Experiment {
  let name = "decomposition"
  let title = "The curvature splits exactly, and FGN keeps one part"
  let claim =
    "diag(π) − ππᵀ = p(1−p) v vᵀ + (1−p)(diag(q) − q qᵀ) for any logits and any number of classes; for two classes the second "
    + "part, which FGN drops, is zero."
  let setup =
    "Normal logits of several scales. The left side is computed naively in float64 from the softmax, the right side from the "
    + "program's margins in each precision; the error is the largest absolute difference of any element. The dropped fraction is "
    + "that of the trace."
  let columns = ["precision", "classes", "scale", "error", "dropped"]

  func measure(_ table: Table, _ laboratory: Laboratory) throws {
    let classes = [2, 3, 5, 10, 30, 100, 300, 1000] + (laboratory.isQuick ? [] : [3000, 10000])
    for count in classes {
      for scale in [0.1, 1, 3, 10, 30] {
        for isDouble in [true, false] {
          let key = [
            "precision": isDouble ? "float64" : "float32", "classes": "\(count)", "scale": field(scale),
          ]
          if table.contains(key) { continue }
          let (error, dropped) =
            isDouble
            ? try split(Double.self, count, scale, laboratory) : try split(Float.self, count, scale, laboratory)
          try table.append([key.merging(["error": field(error), "dropped": field(dropped)]) { $1 }])
        }
      }
    }
  }

  /// The largest error, and the dropped fraction of the trace, over the examples of all ranks. Collective.
  private func split<Scalar: DistributedScalar>(
    _: Scalar.Type, _ classes: Int, _ scale: Double, _ laboratory: Laboratory
  ) throws -> (error: Double, dropped: Double) {
    let communicator = laboratory.communicator
    let examples = classes > 1000 ? 4 : 12
    var error = 0.0
    var (dropped, total) = (0.0, 0.0)
    for example in stride(from: communicator.rank, to: examples, by: communicator.size) {
      var generator = SplitMix64(seed: UInt64(classes), stream: UInt64(example))
      // Both precisions represent these numbers.
      let logits = (0..<classes).map { _ in Double(Float(scale * generator.nextNormal())) }
      let label = Int(generator.next(below: UInt64(classes)))
      let matrix = Matrix(Vector(logits.map { Scalar($0) }), 1, classes)
      let margin = SoftmaxMargin<Scalar>(capacity: 1)
      margin.assign(replacing: matrix, labels: [Int32(label)])
      let (p, complement) = (Double(margin.probabilities[0]), Double(margin.complements[0]))
      let v = matrix.elements.array.map { Double($0) }

      let shift = logits.max()!
      let exponentials = logits.map { exp($0 - shift) }
      let sum = exponentials.reduce(0, +)
      let π = exponentials.map { $0 / sum }
      for c in 0..<classes {
        // q = −v, except for the true class, where it is zero.
        let qc = c == label ? 0 : -v[c]
        for d in c..<classes {
          let qd = d == label ? 0 : -v[d]
          let whole = (c == d ? π[c] : 0) - π[c] * π[d]
          let parts = p * complement * v[c] * v[d] + complement * ((c == d ? qc : 0) - qc * qd)
          error = max(error, abs(whole - parts))
        }
        dropped += complement * (qc - qc * qc)
        total += π[c] - π[c] * π[c]
      }
    }
    let sums = try communicator.allreduce([dropped, total])
    return (try communicator.allreduce(error, .max), sums[0] / sums[1])
  }

  func figures(_ table: Table) -> [Figure] {
    let double = table.rows(where: ["precision": "float64"])
    let gaps = table.values("scale").enumerated().map { index, scale in
      Figure.Series(
        name: "logit scale \(scale)", colour: Figure.palette[index],
        points: double.filter { $0.text("scale") == scale }.map { ($0["classes"], $0["dropped"]) })
    }
    let errors = table.values("precision").enumerated().map { index, precision in
      Figure.Series(
        name: precision, colour: Figure.palette[index],
        points: table.rows(where: ["precision": precision]).map { ($0["classes"], $0["error"]) })
    }
    return [
      Figure(
        name: "decomposition",
        panels: [
          .init(
            title: "Dropped part", x: .init("classes", logarithmic: true), y: .init("fraction of the trace"),
            series: gaps),
          .init(
            title: "Error of the split", x: .init("classes", logarithmic: true),
            y: .init("largest absolute error", logarithmic: true), series: errors),
        ])
    ]
  }

  func findings(_ table: Table) -> [Finding] {
    func worst(_ precision: String) -> Double {
      table.rows(where: ["precision": precision]).map { $0["error"] }.max() ?? .nan
    }
    let two = table.rows(where: ["classes": "2"]).map { abs($0["dropped"]) }.max() ?? .nan
    return [
      Finding(
        statement: "in float64 both sides agree to \(worst("float64").scientific) for all classes and scales (1e-12)",
        holds: worst("float64") <= 1e-12),
      Finding(
        statement: "in float32 to \(worst("float32").scientific) (1e-5)", holds: worst("float32") <= 1e-5),
      Finding(statement: "nothing is dropped for two classes (\(two.scientific) of the trace)", holds: two <= 1e-12),
    ]
  }
}
