import GaussNewton
import MPI
import Networks
import Training

/// Predicted times of steps on clusters of up to 4096 ranks.
struct Scaling: Experiment {
  let name = "scaling"
  let title = "What a step takes on clusters that are not here"
  let claim =
    "A step whose ranks share out the rows of a batch sends numbers of all classes; one whose ranks share out the "
    + "classes sends numbers of rows alone. So heads whose classes grow with the ranks keep their speed: 80 % of it at "
    + "1024 ranks with links of 100 Gbit/s."
  let setup =
    "No measurement but of the rates of this machine: seconds by the model of docs/benchmarks.md, by phase, in float32 "
    + "with momentum. Strong: the same batch of 512 and the same network. Weak: as many classes for each rank as the "
    + "head has, and as many rows for each rank where there is a trunk. Conjugate gradient takes "
    + "\(Int(ScalingGrid.iterations)) iterations."
  let columns =
    ["cluster", "network", "scaling", "placement", "solver", "ranks", "batch", "classes"]
    + Phases.Phase.allCases.map(\.rawValue) + ["seconds"] + Self.collectives.map { $0.rawValue } + ["bytes"]

  let goesOn = false

  static let collectives: [StepPrediction.Collective] = [.allreduce, .reduceScatter, .allgather, .broadcast]

  func measure(_ table: Table, _ laboratory: Laboratory) throws {
    for cluster in try Clusters.chosen(laboratory.cluster, over: laboratory.communicator) {
      laboratory.say("  \(cluster.name): \(cluster.summary)")
      try table.append(
        ScalingGrid.steps(isQuick: laboratory.isQuick).map { fields($0, on: cluster) })
    }
  }

  private func fields(_ case: ScalingGrid.Case, on cluster: Cluster) -> [String: String] {
    let (step, prediction) = (`case`.step, `case`.step.prediction(on: cluster))
    var fields = [
      "cluster": cluster.name, "network": `case`.network, "scaling": `case`.scaling,
      "placement": step.placement.rawValue, "solver": step.method.word, "ranks": "\(step.ranks)",
      "batch": "\(step.batchSize)", "classes": "\(step.network.outputCount)", "seconds": field(prediction.total),
      "bytes": field(prediction.exchanges.reduce(0) { $0 + $1.bytes * $1.count }),
    ]
    for phase in Phases.Phase.allCases { fields[phase.rawValue] = field(prediction[phase]) }
    for collective in Self.collectives {
      fields[collective.rawValue] = field(
        prediction.exchanges.reduce(0) { $0 + ($1.collective == collective ? $1.seconds : 0) })
    }
    return fields
  }

  func figures(_ table: Table) -> [Figure] {
    let clusters = table.values("cluster")
    let axis = Figure.Axis("ranks", logarithmic: true)
    func panels(_ scaling: String, _ y: Figure.Axis, _ value: (ScalingResults, Int) -> Double) -> [Figure.Panel] {
      ScalingGrid.networks.map { network in
        .init(
          title: "\(network.title), \(scaling)", x: axis, y: y,
          series: clusters.enumerated().flatMap { index, cluster in
            network.placements.map { placement in
              let results = ScalingResults(table, cluster, network.name, scaling, placement.rawValue)
              return .init(
                name: "\(cluster), \(placement.rawValue)", colour: Figure.palette[1 + index % 6],
                points: results.ranks.map { (Double($0), value(results, $0)) }, isDashed: placement == .rows)
            }
          })
      }
    }
    return [
      Figure(
        name: "scaling",
        panels: panels("strong", .init("ms a step", logarithmic: true)) { 1000 * $0.seconds($1) }
          + panels("weak", .init("% of the speed on one rank")) { 100 * $0.efficiency($1) },
        columns: 3)
    ]
  }

  func findings(_ table: Table) -> [Finding] {
    let cluster = Self.reference(table)
    return ScalingGrid.heads.flatMap { network -> [Finding] in
      func results(_ scaling: String, _ placement: String) -> ScalingResults {
        ScalingResults(table, cluster, network.name, scaling, placement)
      }
      let (classes, rows) = (results("weak", "classes"), results("weak", "rows"))
      let strong = (classes: results("strong", "classes"), rows: results("strong", "rows"))
      let (efficiency, other) = (classes.efficiency(1024), rows.efficiency(1024))
      return [
        Finding(
          statement:
            "\(cluster): \(network.title) with as many classes for each rank keeps \(efficiency.percent) of its speed "
            + "at 1024 ranks that share out classes (80 %)", holds: efficiency >= 0.8),
        Finding(statement: "and \(other.percent) where they share out rows (less than half)", holds: other < 0.5),
        Finding(
          statement:
            "\(cluster): a step of \(network.title) gets faster up to \(strong.rows.fastest) ranks over rows, to "
            + "\(strong.rows.least.milliseconds), and up to \(strong.classes.fastest) over classes, to "
            + strong.classes.least.milliseconds, holds: strong.classes.least < strong.rows.least),
      ]
    }
  }

  func remarks(_ table: Table) -> [String] {
    table.values("cluster").flatMap { cluster in
      ScalingGrid.networks.flatMap { network in
        ["strong", "weak"].flatMap { scaling in
          network.placements.compactMap { placement in
            ScalingResults(table, cluster, network.name, scaling, placement.rawValue).limit(1024).map {
              "\(cluster), \(network.title), \(scaling), over \(placement.rawValue): \($0)"
            }
          }
        }
      }
    }
  }

  /// The cluster of the claim, or the first one where there are only others.
  private static func reference(_ table: Table) -> String {
    let clusters = table.values("cluster")
    return clusters.contains("infiniband-100") ? "infiniband-100" : clusters.first ?? ""
  }
}

extension PredictedStep.Method {
  /// As `solver.kind` has it.
  var word: String {
    switch self {
    case .gram: "gram"
    case .gramCG: "gram-cg"
    case .matrixFree: "cg"
    case .generalized: "ggn"
    case .firstOrder: "first-order"
    }
  }
}

extension Double {
  var milliseconds: String { "\((1000 * self).short) ms" }
  var percent: String { "\((100 * self).short) %" }
}
