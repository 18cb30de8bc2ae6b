import Foundation
import GaussNewton
import LinearAlgebra
import MPI

/// The bound of the row for soft targets: 1/χ² is the largest multiple of r rᵀ, r = π − t, below diag(π) − ππᵀ.
struct SoftTargets: Experiment {
  let name = "soft-targets"
  let title = "The row of a soft target is as large as the curvature allows"
  let claim =
    "for any target distribution t, r = π − t and χ² = Σ r²/π, (1/χ²) r rᵀ ⪯ diag(π) − ππᵀ, and no larger multiple of r rᵀ is; "
    + "for the label alone it is p(1−p) v vᵀ; for two classes nothing is dropped."
  let setup =
    "Normal logits of several scales. Targets are the label alone, the label smoothed by 0.1, a mix of two labels, and the "
    + "softmax of other normal logits (a teacher). χ², r and w come from the program in float64, diag(π) − ππᵀ naively from the "
    + "softmax. The least eigenvalue of the remainder, the curvature without a multiple of the program's row, is over all "
    + "examples; in the remainder that is scaled by 1/√π from both sides, which does not change a sign, it is 1 − multiple "
    + "above 1. The error is the largest of any element of −τv against π − t. The dropped fraction is that of the trace."
  let columns = ["classes", "scale", "target", "multiple", "least", "scaled", "error", "dropped"]

  private static let targets = ["label", "smoothed", "mixed", "teacher"]
  private static let multiples = [0.5, 0.9, 0.99, 1, 1.01, 1.1, 1.5, 2]

  func measure(_ table: Table, _ laboratory: Laboratory) throws {
    for classes in [2, 3, 10] + (laboratory.isQuick ? [] : [30, 100]) {
      for scale in [0.3, 3, 10] {
        for target in Self.targets {
          let key = ["classes": "\(classes)", "scale": field(scale), "target": target]
          if table.contains(key) { continue }
          let observations = try observe(classes, scale, target, laboratory)
          try table.append(observations.map { $0.merging(key) { $1 } })
        }
      }
    }
  }

  /// The extremes over the examples of all ranks, for each multiple. Collective.
  private func observe(
    _ classes: Int, _ scale: Double, _ target: String, _ laboratory: Laboratory
  ) throws -> [[String: String]] {
    let communicator = laboratory.communicator
    let examples = classes > 10 ? 4 : 12
    var error = 0.0
    var (kept, total) = (0.0, 0.0)
    var least = Self.multiples.map { _ in (plain: Double.infinity, scaled: Double.infinity) }
    for example in stride(from: communicator.rank, to: examples, by: communicator.size) {
      let row = SoftRow(classes, scale, target, example)
      error = max(error, row.error)
      kept += row.keptTrace
      total += row.trace
      for (k, multiple) in Self.multiples.enumerated() {
        least[k].plain = min(least[k].plain, row.leastEigenvalue(without: multiple))
        least[k].scaled = min(least[k].scaled, row.leastEigenvalue(without: multiple, scaled: true))
      }
    }
    let sums = try communicator.allreduce([kept, total])
    error = try communicator.allreduce(error, .max)
    return try zip(Self.multiples, least).map { multiple, least in
      [
        "multiple": field(multiple), "least": field(try communicator.allreduce(least.plain, .min)),
        "scaled": field(try communicator.allreduce(least.scaled, .min)), "error": field(error),
        "dropped": field(1 - sums[0] / sums[1]),
      ]
    }
  }

  func figures(_ table: Table) -> [Figure] {
    let most = table.values("classes").last ?? ""
    func series(_ name: String, _ colour: Int, _ rows: [Table.Row], _ x: String, _ y: String) -> Figure.Series {
      Figure.Series(name: name, colour: Figure.palette[colour], points: rows.map { ($0[x], $0[y]) })
    }
    let bounds = Self.targets.enumerated().map { index, target in
      series(
        target, index, table.rows(where: ["classes": most, "scale": "3.0", "target": target]), "multiple", "scaled")
    }
    let dropped = Self.targets.enumerated().map { index, target in
      series(
        target, index, table.rows(where: ["multiple": "1.0", "scale": "3.0", "target": target]), "classes", "dropped")
    }
    return [
      Figure(
        name: name,
        panels: [
          .init(
            title: "Least eigenvalue of the scaled remainder, \(most) classes", x: .init("multiple of the row"),
            y: .init("eigenvalue"), series: bounds),
          .init(
            title: "Dropped part", x: .init("classes", logarithmic: true), y: .init("fraction of the trace"),
            series: dropped),
        ])
    ]
  }

  func findings(_ table: Table) -> [Finding] {
    let exact = table.rows(where: ["multiple": "1.0"])
    let least = exact.map { $0["least"] }.min() ?? .nan
    let above = table.rows(where: ["multiple": "1.01"]).map { abs($0["scaled"] + 0.01) }.max() ?? .nan
    let error = table.rows.map { $0["error"] }.max() ?? .nan
    let two = table.rows(where: ["classes": "2"]).map { abs($0["dropped"]) }.max() ?? .nan
    return [
      Finding(
        statement:
          "the curvature without the row has no eigenvalue below \(least.scientific) for any target (−1e-12)",
        holds: least >= -1e-12),
      Finding(
        statement:
          "without 1.01 times the row, scaled, it has the eigenvalue −0.01 for every target, up to \(above.scientific) (1e-9)",
        holds: above <= 1e-9),
      Finding(
        statement: "the gradient at the logits is π − t, up to \(error.scientific) (1e-14)", holds: error <= 1e-14),
      Finding(
        statement: "nothing is dropped for two classes (\(two.scientific) of the trace)", holds: two <= 1e-12),
    ]
  }
}

/// The curvature at the logits of one example, and the program's row for its target.
private struct SoftRow {
  let π: [Double]
  /// w and v
  let weight: Double
  let cotangent: [Double]
  let error: Double

  init(_ classes: Int, _ scale: Double, _ target: String, _ example: Int) {
    var generator = SplitMix64(seed: UInt64(classes), stream: UInt64(example))
    func softmax(_ logits: [Double]) -> [Double] {
      let shift = logits.max()!
      let exponentials = logits.map { exp($0 - shift) }
      let sum = exponentials.reduce(0, +)
      return exponentials.map { $0 / sum }
    }
    let logits = (0..<classes).map { _ in scale * generator.nextNormal() }
    let (one, other) = (Int(generator.next(below: UInt64(classes))), Int(generator.next(below: UInt64(classes))))
    let share = generator.nextUniform()
    let teacher = softmax((0..<classes).map { _ in 2 * generator.nextNormal() })
    let t: [Double] = (0..<classes).map { c in
      switch target {
      case "smoothed": 0.9 * (c == one ? 1 : 0) + 0.1 / Double(classes)
      case "mixed": (c == one ? share : 0) + (c == other ? 1 - share : 0)
      case "teacher": teacher[c]
      default: c == one ? 1 : 0
      }
    }
    let label = t.firstIndex(of: t.max()!)!
    let matrix = Matrix(Vector(logits), 1, classes)
    let margin = SoftmaxMargin<Double>(capacity: 1)
    margin.assign(
      replacing: matrix, targets: Targets([Int32(label)], distributions: Matrix(Vector(t), 1, classes)))
    π = softmax(logits)
    weight = margin.curvatures[0]
    cotangent = matrix.elements.array
    let distance = margin.complements[0]
    error = (0..<classes).map { [π, cotangent] in abs(-distance * cotangent[$0] - (π[$0] - t[$0])) }.max()!
  }

  /// The trace of diag(π) − ππᵀ.
  var trace: Double { π.reduce(0) { $0 + $1 * (1 - $1) } }

  /// The trace of w v vᵀ.
  var keptTrace: Double { cotangent.reduce(0) { $0 + weight * $1 * $1 } }

  /// The least eigenvalue of diag(π) − ππᵀ − multiple · w v vᵀ, or of that with 1/√π on both sides.
  func leastEigenvalue(without multiple: Double, scaled: Bool = false) -> Double {
    let rest = π.indices.map { a in
      π.indices.map { b in
        let scale = scaled ? 1 / (π[a].squareRoot() * π[b].squareRoot()) : 1
        return (a == b ? (scaled ? 1 : π[a]) : 0) - scale * π[a] * π[b]
          - scale * multiple * weight * cotangent[a] * cotangent[b]
      }
    }
    return eigenvalues(ofSymmetric: rest).min()!
  }
}

/// The eigenvalues of a small symmetric matrix, by Jacobi's rotations.
func eigenvalues(ofSymmetric matrix: [[Double]]) -> [Double] {
  var a = matrix
  let n = a.count
  let size = a.joined().reduce(0) { $0 + $1 * $1 }
  for _ in 0..<50 {
    var rest = 0.0
    for p in 0..<n - 1 {
      for q in p + 1..<n { rest += a[p][q] * a[p][q] }
    }
    if rest <= 1e-34 * size { break }
    for p in 0..<n - 1 {
      for q in p + 1..<n where a[p][q] != 0 {
        let angle = (a[q][q] - a[p][p]) / (2 * a[p][q])
        let t = (angle < 0 ? -1 : 1) / (abs(angle) + (angle * angle + 1).squareRoot())
        let c = 1 / (t * t + 1).squareRoot()
        let s = t * c
        for k in 0..<n {
          let (x, y) = (a[k][p], a[k][q])
          (a[k][p], a[k][q]) = (c * x - s * y, s * x + c * y)
        }
        for k in 0..<n {
          let (x, y) = (a[p][k], a[q][k])
          (a[p][k], a[q][k]) = (c * x - s * y, s * x + c * y)
        }
      }
    }
  }
  return (0..<n).map { a[$0][$0] }
}
