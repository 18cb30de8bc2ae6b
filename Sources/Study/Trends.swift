import Foundation
import MPI

/// The steps against the effective number of competitors.
struct Concentration: Experiment {
  let name = "concentration"
  let title = "FGN is close to the full matrix where few competitors matter"
  let claim =
    "The dropped covariance (1−p)(diag(q) − q qᵀ) vanishes when the competitor distribution q is concentrated: gap, cosine and "
    + "norm ratio of the two steps go to 0, 1 and 1 as the effective number of competitors 1/‖q‖² goes to 1."
  let setup =
    "One step of a linear head on 256 examples of 30 classes and 16 features, all of margin 0, with competitors' logits of scale κ "
    + "from 0 (all alike) to 12 (one is far ahead); λ 0.01, about the curvature's own size, and 0.001; three seeds."
  let columns = ["concentration", "damping", "seed"] + StepComparison.Result.columns

  private static let dampings = [0.01, 0.001]

  func measure(_ table: Table, _ laboratory: Laboratory) throws {
    for κ in [0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12] {
      for λ in Self.dampings {
        for seed in 0..<3 {
          let key = ["concentration": field(κ), "damping": field(λ), "seed": "\(seed)"]
          if table.contains(key) { continue }
          let comparison = StepComparison(concentration: κ, damping: λ, seed: seed)
          try table.append([key.merging(try comparison.run(over: laboratory.communicator).fields) { $1 }])
        }
      }
    }
  }

  func figures(_ table: Table) -> [Figure] {
    let rows = table.rows(where: ["damping": field(Self.dampings[0])])
    return [
      Figure(
        name: "concentration",
        panels: stepPanels(
          rows, by: "concentration", over: "effective", .init("effective competitors 1/‖q‖²", logarithmic: true)))
    ]
  }

  func findings(_ table: Table) -> [Finding] {
    Self.dampings.flatMap { λ in
      let rows = table.rows(where: ["damping": field(λ)])
      func trend(_ statement: String, _ x: String, _ y: String, _ sign: Double) -> Finding {
        .trend("λ \(λ): \(statement)", rows, x, y, sign: sign)
      }
      return [
        trend("the dropped fraction grows with the effective competitors", "effective", "dropped", 1),
        trend("so does the relative difference of the steps", "effective", "difference", 1),
        trend("the cosine of the steps falls", "effective", "cosine", -1),
        trend("the difference grows with the dropped fraction", "dropped", "difference", 1),
      ]
    }
  }
}

/// The steps against the damping.
struct DampingExperiment: Experiment {
  let name = "damping"
  let title = "FGN is close to the full matrix where damping is large"
  let claim =
    "With growing λ both damped steps turn to −g/λ, so that what FGN drops matters less and less."
  let setup = "The same with λ over eight decades, at κ 1 (about 14 effective competitors); three seeds."
  let columns = ["damping", "seed"] + StepComparison.Result.columns

  func measure(_ table: Table, _ laboratory: Laboratory) throws {
    for exponent in stride(from: -5.0, through: 3, by: 0.5) {
      for seed in 0..<3 {
        let λ = pow(10, exponent)
        let key = ["damping": field(λ), "seed": "\(seed)"]
        if table.contains(key) { continue }
        let result = try StepComparison(damping: λ, seed: seed).run(over: laboratory.communicator)
        try table.append([key.merging(result.fields) { $1 }])
      }
    }
  }

  func figures(_ table: Table) -> [Figure] {
    [
      Figure(
        name: "damping",
        panels: stepPanels(table.rows, by: "damping", over: "damping", .init("damping λ", logarithmic: true)))
    ]
  }

  func findings(_ table: Table) -> [Finding] {
    let largest = table.rows.max { $0["damping"] < $1["damping"] }
    return [
      .trend("the relative difference of the steps falls with λ", table.rows, "damping", "difference", sign: -1),
      .trend("the cosine rises", table.rows, "damping", "cosine", sign: 1),
      Finding(
        statement: "at the largest λ the steps differ by \((largest?["difference"] ?? .nan).scientific)",
        holds: (largest?["difference"] ?? 1) < 1e-2),
    ]
  }
}

/// The comparison of the steps over the column `x`; rows with equal values in `column` are seeds of one point.
func stepPanels(
  _ rows: [Table.Row], by column: String, over x: String, _ axis: Figure.Axis
) -> [Figure.Panel] {
  func series(_ name: String, _ y: String, _ colour: String) -> Figure.Series {
    // A measured abscissa differs slightly between seeds.
    let points = Dictionary(grouping: rows) { $0.text(column) }.values.flatMap { group in
      let mean = group.map { $0[x] }.mean
      return group.map { (x: mean, y: $0[y]) }
    }
    return .init(name: name, colour: colour, points: points.sorted { $0.x < $1.x })
  }
  return [
    .init(
      title: "Gap", x: axis, y: .init("relative"),
      series: [
        series("difference of the steps", "difference", Figure.palette[0]),
        series("dropped fraction of the trace", "dropped", Figure.palette[1]),
      ]),
    .init(
      title: "Step", x: axis, y: .init("FGN against full matrix"),
      series: [
        series("cosine", "cosine", Figure.palette[0]), series("norm ratio", "norm_ratio", Figure.palette[1]),
      ]),
  ]
}
