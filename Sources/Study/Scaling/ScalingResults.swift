import GaussNewton
import Training

/// The predictions of a network on one cluster, by the number of ranks, each with its fastest solver.
struct ScalingResults {
  private let best: [Int: Table.Row]
  /// By solver, on one rank.
  private let alone: [String: Table.Row]
  private let grows: Bool

  init(_ table: Table, _ cluster: String, _ network: String, _ scaling: String, _ placement: String) {
    let rows = table.rows(where: [
      "cluster": cluster, "network": network, "scaling": scaling, "placement": placement,
    ])
    best = Dictionary(grouping: rows) { Int($0["ranks"]) }
      .compactMapValues { $0.min { $0["seconds"] < $1["seconds"] } }
    alone = Dictionary(rows.filter { $0["ranks"] == 1 }.map { ($0.text("solver"), $0) }) { $1 }
    grows = scaling == "weak"
  }

  var ranks: [Int] { best.keys.sorted() }

  func seconds(_ ranks: Int) -> Double { best[ranks]?["seconds"] ?? .nan }

  /// The speed of a rank relative to that of one alone.
  func efficiency(_ ranks: Int) -> Double { seconds(1) / seconds(ranks) / (grows ? 1 : Double(ranks)) }

  /// The number of ranks that a step is fastest on, and its seconds there.
  var fastest: Int { ranks.min { seconds($0) < seconds($1) } ?? 1 }
  var least: Double { seconds(fastest) }

  /// What takes most of what a step would not take if ranks shared all out, and what would lift it; nil where next to
  /// nothing is lost.
  func limit(_ ranks: Int) -> String? {
    guard let row = best[ranks], let one = alone[row.text("solver")], efficiency(ranks) < 0.95 else { return nil }
    let ideal = grows ? 1 : Double(ranks)
    var losses = ScalingLoss.allCases.map { loss in
      (loss, row[loss.rawValue] - (loss.isWork ? one[loss.rawValue] / ideal : 0))
    }
    losses.sort { $0.1 > $1.1 }
    let (loss, seconds) = losses[0]
    let (total, solver) = (row["seconds"], row.text("solver"))
    return "\(total.milliseconds) at \(ranks) ranks (\(solver)), \(efficiency(ranks).percent) of the speed; "
      + "\((seconds / total).percent) of it \(loss.description(row.text("placement"), solver: solver))"
  }
}

/// What keeps a step from being as many times faster as there are ranks, by its column.
enum ScalingLoss: String, CaseIterable {
  case data, forward, vjp, jvp, gram, solve, update
  case allreduce
  case reduceScatter = "reduce-scatter"
  case allgather, broadcast

  var isWork: Bool {
    switch self {
    case .data, .forward, .vjp, .jvp, .gram, .solve, .update: true
    case .allreduce, .reduceScatter, .allgather, .broadcast: false
    }
  }

  func description(_ placement: String, solver: String) -> String {
    switch self {
    case .update where placement == "classes":
      "passes through memory that the ranks of a host share; fewer ranks a host would lift it"
    case .data: "reading all rows on each rank; ranks that read a share and gather them would lift it"
    case .forward, .vjp, .jvp:
      "products that are too narrow for their speed (\(rawValue)); larger batches would lift it"
    case .gram: "forming K; smaller batches would lift it"
    case .solve where solver == "gram":
      "the Cholesky factor, which each rank computes; one that ranks share would lift it"
    case .solve: "the solve's vectors, which each rank works on; smaller batches would lift it"
    case .update:
      "the update of all parameters on each rank; ranks that keep a share each would lift it"
    case .allreduce where placement == "rows":
      "sums of all parameters; sharing out classes, or fewer iterations, would lift it"
    case .allreduce:
      "the latency of sums, one for each iteration; fewer iterations, or a solve on one host alone, would lift it"
    case .reduceScatter:
      "the reduce-scatter of the triangle of K; a smaller batch, or half precision for it, would lift it"
    case .allgather where placement == "rows":
      "gathers of cotangents and of the step; sharing out classes would lift it"
    case .allgather:
      "the gather of K; `gram-cg`, whose rows of K stay, or a smaller batch would lift it"
    case .broadcast: "the latency of broadcasts; fewer ranks of more threads would lift it"
    }
  }
}

extension Link {
  var summary: String { "\((1e6 * latency).short) µs and \((1e-9 * bandwidth).short) GB/s" }
}

extension Cluster {
  /// Its rates, for people.
  var summary: String {
    "\(ranksPerHost) ranks a host of \(cores) cores; of a rank \((2e-9 / rates.product).short) Gflop/s in products, "
      + "\((2e-9 / rates.gram).short) in the matrix, \((2e-9 / rates.factor).short) in its factor, "
      + "\((12e-9 / rates.memory).short) GB/s in passes (a host \((12e-9 * hostMemoryRate).short)); between hosts "
      + "\(network.summary), within \(sharedMemory.summary)"
  }
}
