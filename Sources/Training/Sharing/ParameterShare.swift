import GaussNewton
import LinearAlgebra
import MPI
import Networks

/// What a rank holds of a model: all parameters, or where ranks share out the classes of its head those of its classes.
package struct ParameterShare {
  /// The model.
  let network: Network
  /// What this rank computes with.
  let own: Network
  /// nil where each rank holds all parameters.
  let classes: ClassShards?

  package init(_ network: Network, classes: ClassShards? = nil) {
    self.network = network
    self.classes = classes
    own = classes.map { network.keeping($0.own) } ?? network
  }

  /// What a vector of an optimizer's memory has numbers for.
  enum Extent {
    case parameters, classes
    /// The same on all ranks.
    case replicated
  }

  /// The extent of the vector with this name in `Optimizer.memory`: moments of a diagonal metric are of its two sides, and
  /// their names end in the layer's number, of which the head has the last one.
  func extent(of name: String) -> Extent {
    if name == "output_moment.\(network.connections.count - 1)" { return .classes }
    return name.hasPrefix("output_moment") || name.hasPrefix("input_moment") ? .replicated : .parameters
  }

  /// The numbers of a vector of this extent in a file, of which this rank has `count`.
  func count(_ extent: Extent, own count: Int) -> Int {
    guard let classes else { return count }
    return switch extent {
    case .parameters: network.layout.count
    case .classes: classes.count
    case .replicated: count
    }
  }
}

/// What a rank reads of a run's files.
extension ParameterShare {
  /// This rank's part of a tensor, which has the shape that it has for a head of its classes; nil for all of it.
  func part(of name: String, _ shape: [Int]) -> TensorPart? {
    guard let classes, let rows = rows(of: shape) else { return nil }
    let memory = RunState.memoryPrefix
    if name == RunState.averageName || name.hasPrefix(memory) {
      switch name == RunState.averageName ? .parameters : extent(of: String(name.dropFirst(memory.count))) {
      case .parameters:
        guard shape == [network.layout.count] else { return nil }
        return TensorPart(ranges: network.places(of: classes.own).flatMap(\.ranges), shape: [self.own.layout.count])
      case .classes: return shape == [classes.count] ? rows : nil
      case .replicated: return nil
      }
    }
    let prefixes = ["", RunState.ownPrefix, RunState.bestPrefix]
    let isOfHead = network.layout.entries.contains { entry in
      network.isOfHead(entry) && entry.shape == shape && prefixes.contains { $0 + entry.name == name }
    }
    return isOfHead ? rows : nil
  }

  /// Of a tensor of the head, which has this shape, the rows of this rank's classes; nil for all.
  private func rows(of shape: [Int]) -> TensorPart? {
    guard let own = classes?.own else { return nil }
    let width = shape.dropFirst().reduce(1, *)
    return TensorPart(
      ranges: [own.lowerBound * width..<own.upperBound * width], shape: [own.count] + shape.dropFirst())
  }

  /// Reads this rank's share of the parameters in the file that has this header, under these names, one per entry of the
  /// network's layout. Throws exit code 65, 66 or 74.
  func parameters<Scalar: BLASScalar>(
    from header: TensorFile, names: [String], as: Scalar.Type = Scalar.self
  ) throws(StorageError) -> Vector<Scalar> {
    let entries = network.layout.entries
    for (entry, name) in zip(entries, names) { try header.check(name, isOf: entry.shape) }
    let needed = Dictionary(uniqueKeysWithValues: zip(names, entries))
    let file = try Safetensors.load(path: header.path, requireChecksum: header.checksum != nil) { name, shape in
      guard let entry = needed[name] else { return .nothing }
      return network.isOfHead(entry) ? rows(of: shape) : nil
    }
    guard file.checksum == header.checksum else {
      throw StorageError(
        .contents, path: header.path, section: "file", problem: "was replaced while it was read", remedy: "start again")
    }
    return try ModelFile.parameters(of: own, in: file, names: names)
  }
}

extension ParameterShare {
  /// The rows of batches whose inputs this rank has: its group's, where ranks share out the classes of a head alone.
  func inputPartition(_ training: Configuration.TrainingOptions, over communicator: Communicator) -> RowPartition {
    if let classes, network.hasSingleLayer { return classes.rowPartition }
    return training.partition(rank: communicator.rank, ranks: communicator.size)
  }

  /// The rows of batches whose labels this rank has: its group's, where ranks share out classes.
  func labelPartition(_ training: Configuration.TrainingOptions, over communicator: Communicator) -> RowPartition {
    classes?.rowPartition ?? inputPartition(training, over: communicator)
  }
}

extension Matrix {
  /// Some columns, in the first rows of `room`.
  func columns(_ range: Range<Int>, in room: Matrix) -> Matrix {
    let result = room[rows: 0..<rows]
    for row in 0..<rows { result[row: row].assign(self[row: row][range]) }
    return result
  }
}
