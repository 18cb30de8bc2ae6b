import Foundation
import GaussNewton
import Training
import Yams

/// The description of a cluster as YAML: what it names is the file's, and the rest that of a given cluster.
enum ClusterFile {
  /// A number of the description: how it is written to a cluster, and whether it may be zero.
  private struct Key {
    let unit: String
    var mayBeZero = false
    var isWhole = false
    let assign: (inout Cluster, Double) -> Void
  }

  private static func rate(_ path: WritableKeyPath<MachineRates, Double>, _ operations: Double, _ unit: String) -> Key {
    // A flop of a matrix product is half a multiplication.
    Key(unit: unit) { $0.rates[keyPath: path] = operations / $1 }
  }

  private static func link(_ path: WritableKeyPath<Cluster, Link>, _ name: String) -> [String: Key] {
    [
      "\(name).latency": Key(unit: "seconds", mayBeZero: true) { $0[keyPath: path].latency = $1 },
      "\(name).bandwidth": Key(unit: "bytes a second") { $0[keyPath: path].bandwidth = $1 },
      "\(name).handshake": Key(unit: "seconds", mayBeZero: true) { $0[keyPath: path].handshake = $1 },
    ]
  }

  private static var keys: [String: Key] {
    var keys = [
      "ranks_per_host": Key(unit: "ranks", isWhole: true) { $0.ranksPerHost = Int($1) },
      "cores": Key(unit: "processors", isWhole: true) { $0.cores = Int($1) },
      "threads": Key(unit: "threads", isWhole: true) { $0.threads = Int($1) },
      "host_memory": Key(unit: "bytes a second") { $0.hostMemoryRate = $1 / 12 },
      "rank.products": rate(\.product, 2, "flops a second"),
      "rank.gram": rate(\.gram, 2, "flops a second"),
      "rank.cholesky": rate(\.factor, 2, "flops a second"),
      "rank.memory": rate(\.memory, 12, "bytes a second"),
      "rank.margins": rate(\.margin, 4, "bytes a second"),
    ]
    keys.merge(link(\.network, "network")) { $1 }
    keys.merge(link(\.sharedMemory, "shared_memory")) { $1 }
    return keys
  }

  /// Reads a file over `cluster`. Throws `ConfigurationError`: 66 if it cannot be read, otherwise 64.
  static func load(_ path: String, over cluster: Cluster) throws -> Cluster {
    guard let bytes = FileManager.default.contents(atPath: path) else {
      let reason = String(cString: strerror(errno))
      throw ConfigurationError(
        source: path, "cannot be read (\(reason)); name a file, or \(Clusters.names.joined(separator: ", "))",
        exitCode: 66)
    }
    return try parse(String(decoding: bytes, as: UTF8.self), source: path, over: cluster)
  }

  /// The cluster of a document's text; `source` names it in errors.
  static func parse(_ text: String, source: String, over cluster: Cluster) throws -> Cluster {
    let document: Node?
    do { document = try Yams.compose(yaml: text) } catch {
      let line = "\(error)".split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
      throw ConfigurationError(source: source, "is not valid YAML: \(line)")
    }
    var result = cluster
    result.name = URL(filePath: source).deletingPathExtension().lastPathComponent
    guard let document else { return result }
    guard let sections = document.mapping else {
      throw ConfigurationError(
        source: source, "is not a description of a cluster; write keys such as ranks_per_host: 4")
    }
    for (name, value) in sections {
      let name = name.string ?? ""
      guard let section = value.mapping else {
        try assign(value, to: name, of: &result, source)
        continue
      }
      for (key, value) in section { try assign(value, to: "\(name).\(key.string ?? "")", of: &result, source) }
    }
    return result
  }

  private static func assign(_ value: Node, to name: String, of cluster: inout Cluster, _ source: String) throws {
    if name == "name", let text = value.string, !text.isEmpty, !text.contains(",") { return cluster.name = text }
    guard let key = keys[name] else {
      throw ConfigurationError(
        source: source, key: name,
        name == "name"
          ? "must be a word or words without a comma"
          : "unknown key; allowed: name, \(keys.keys.sorted().joined(separator: ", "))")
    }
    let number = value.scalar.flatMap { Double($0.string) } ?? .nan
    guard number.isFinite, key.mayBeZero ? number >= 0 : number > 0,
      !key.isWhole || number == number.rounded() && number < 1e6
    else {
      let kind = key.isWhole ? "a whole number from 1" : key.mayBeZero ? "a number from 0" : "a number above 0"
      throw ConfigurationError(
        source: source, key: name,
        "'\(value.scalar?.string ?? "a list or section")' is not allowed; it must be \(kind), in \(key.unit)")
    }
    key.assign(&cluster, number)
  }
}
