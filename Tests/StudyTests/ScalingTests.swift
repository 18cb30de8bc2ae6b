import Foundation
import GaussNewton
import MPI
import Testing
import Training

@testable import Study

@Suite struct ScalingTests {
  private func parse(_ text: String) throws -> Cluster {
    try ClusterFile.parse(text, source: "rack.yaml", over: .infiniBand100())
  }

  @Test func `A description says what differs from the cluster below it`() throws {
    let cluster = try parse(
      """
      ranks_per_host: 2
      cores: 8
      threads: 4
      host_memory: 24e9
      rank: {products: 100e9, gram: 50e9, cholesky: 25e9, memory: 6e9, margins: 8e9}
      network: {latency: 0, bandwidth: 1e9}
      """)
    var expected = Cluster.infiniBand100()
    (expected.name, expected.ranksPerHost, expected.cores, expected.threads) = ("rack", 2, 8, 4)
    expected.hostMemoryRate = 2e9
    (expected.rates.product, expected.rates.gram, expected.rates.factor) = (2e-11, 4e-11, 8e-11)
    (expected.rates.memory, expected.rates.margin) = (2e-9, 5e-10)
    (expected.network.latency, expected.network.bandwidth) = (0, 1e9)
    #expect(cluster == expected)
    #expect(try parse("name: the rack").name == "the rack")
    #expect(try parse("").sharedMemory == Cluster.infiniBand100().sharedMemory)
  }

  @Test(arguments: [
    ("rank_per_host: 2", "rack.yaml: rank_per_host: unknown key; allowed: name, cores,"),
    ("network: {speed: 1}", "network.speed: unknown key"),
    ("cores: 0", "cores: '0' is not allowed; it must be a whole number from 1, in processors"),
    ("threads: 1.5", "threads: '1.5' is not allowed"),
    ("rank: {products: fast}", "rank.products: 'fast' is not allowed; it must be a number above 0, in flops a second"),
    ("network: {latency: -1}", "network.latency: '-1' is not allowed; it must be a number from 0, in seconds"),
    ("network: {bandwidth: [1]}", "network.bandwidth: 'a list or section' is not allowed"),
    ("network: {bandwidth: inf}", "network.bandwidth: 'inf' is not allowed"),
    ("name: a,b", "name: must be a word or words without a comma"),
    ("- 1", "is not a description of a cluster; write keys such as ranks_per_host: 4"),
    ("cores: [", "is not valid YAML"),
  ])
  func `A description that cannot be used names the key and what it takes`(text: String, problem: String) throws {
    let error = try #require(throws: ConfigurationError.self) { try parse(text) }
    #expect(error.description.contains(problem), "\(error)")
    #expect(error.exitCode == 64 && !error.description.contains("\n"))
  }

  @Test func `All cases of the grid are predicted, and the claims hold on the named clusters`() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "fgn-scaling-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var said: [String] = []
    for cluster in ["ethernet-10", "infiniband-100"] {
      let laboratory = Laboratory(
        communicator: Communicator(), isQuick: true, fashion: "", wordnet: nil, cluster: cluster
      ) { said.append($0) }
      let findings = try Study.run(Scaling(), in: folder, laboratory, drawsFigures: false)
      #expect(findings.count == 6 && findings.allSatisfy { $0.holds }, "\(findings.filter { !$0.holds })")
    }
    let table = try Table("\(folder)/scaling/data.csv", columns: Scaling().columns, over: Communicator())
    // Seven numbers of ranks, strong and weak, on the last cluster alone; the perceptron's weak steps have one solver.
    #expect(table.rows.count == 7 * (2 * 2 * 2 * 3 + 3 + 1))
    for row in table.rows {
      let phases = Phases.Phase.allCases.reduce(0) { $0 + row[$1.rawValue] }
      let exchanges = Scaling.collectives.reduce(0) { $0 + row[$1.rawValue] }
      #expect(abs(phases / row["seconds"] - 1) < 1e-9 && row["seconds"] > 0)
      #expect(abs(exchanges - row["communication"]) <= 1e-9 * exchanges)
      #expect((exchanges == 0) == (row["ranks"] == 1))
    }
    let summary = try String(contentsOfFile: "\(folder)/scaling/summary.md", encoding: .utf8)
    #expect(summary.contains("infiniband-100, head 384-4796, strong, over rows: ") && summary.contains("would lift it"))
  }

  @Test func `What limits a step is what it would not take if ranks shared all out`() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "fgn-limits-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let columns = Scaling().columns
    let table = try Table("\(folder)/data.csv", columns: columns, over: Communicator())
    func add(_ solver: String, _ ranks: Int, _ seconds: [String: Double]) throws {
      var fields = Dictionary(uniqueKeysWithValues: columns.map { ($0, "0.0") })
      fields.merge(
        [
          "cluster": "c", "network": "n", "scaling": "strong", "placement": "classes", "solver": solver,
          "ranks": "\(ranks)", "seconds": field(seconds.values.reduce(0, +)),
        ]) { $1 }
      fields.merge(seconds.mapValues { field($0) }) { $1 }
      try table.append([fields])
    }
    try add("gram", 1, ["forward": 8, "solve": 1])
    try add("gram-cg", 1, ["forward": 8, "solve": 2])
    try add("gram", 4, ["forward": 2, "solve": 1])
    try add("gram-cg", 4, ["forward": 2, "solve": 0.5, "allreduce": 4])
    try add("gram", 8, ["forward": 1, "solve": 1])
    try add("gram-cg", 8, ["forward": 1, "solve": 0.25, "reduce-scatter": 0.5, "allreduce": 0.125])
    let results = ScalingResults(table, "c", "n", "strong", "classes")
    #expect(results.ranks == [1, 4, 8] && results.fastest == 8 && results.least == 1.875)
    #expect([1, 4, 8].map { results.seconds($0) } == [9, 3, 1.875])
    #expect(results.efficiency(4) == 0.75 && results.efficiency(8) == 0.6)
    #expect(results.limit(1) == nil)
    #expect(results.limit(4)?.contains("25 % of it the Cholesky factor") == true)
    #expect(results.limit(8)?.contains("26.67 % of it the reduce-scatter of the triangle") == true)
  }
}
