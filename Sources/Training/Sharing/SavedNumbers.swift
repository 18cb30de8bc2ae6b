import GaussNewton
import LinearAlgebra
import Networks

/// Numbers of a run for a file: this rank's share of them.
enum SavedNumbers<Scalar: BLASScalar> {
  /// Parameters by their names behind a prefix.
  case parameters(Vector<Scalar>, prefix: String = "")
  /// A vector of the optimizer's memory.
  case memory(String, Vector<Scalar>)
  /// The average of the parameters, as one vector.
  case average(Vector<Double>)
}

extension ParameterShare {
  /// A file with the tensors of `numbers` and the metadata of `description`, where this rank has all of them.
  func wholeFile<Scalar: BLASScalar>(
    _ numbers: [SavedNumbers<Scalar>], describedBy description: TensorFile
  ) -> TensorFile {
    var file = description
    for item in numbers {
      switch item {
      case .parameters(let vector, let prefix): file.add(vector, of: network, prefix: prefix)
      case .memory(let name, let vector): file.add(RunState.memoryPrefix + name, Tensor(vector))
      case .average(let vector): file.add(RunState.averageName, Tensor(vector))
      }
    }
    return file
  }

  /// The same file where ranks share out classes.
  func file<Scalar: BLASScalar>(
    _ numbers: [SavedNumbers<Scalar>], describedBy description: TensorFile
  ) -> SharedTensorFile {
    var file = SharedTensorFile(metadata: description.metadata)
    for item in numbers {
      switch item {
      case .parameters(let vector, let prefix): addParameters(vector, prefix, to: &file)
      case .memory(let name, let vector): add(RunState.memoryPrefix + name, vector, Self.extent(of: name), to: &file)
      case .average(let vector): add(RunState.averageName, vector, .parameters, to: &file)
      }
    }
    return file
  }

  /// Adds parameters by their names; in a file the weights of a class follow each other.
  private func addParameters<Scalar: BLASScalar>(
    _ vector: Vector<Scalar>, _ prefix: String, to file: inout SharedTensorFile
  ) {
    for (entry, whole) in zip(own.layout.entries, network.layout.entries) {
      let width = whole.range.count / network.outputCount
      let values = vector[entry.range]
      file.add(
        SharedTensorFile.Entry(
          name: prefix + whole.name, dtype: Tensor.type(of: Scalar.self), shape: whole.shape,
          parts: [
            SharedTensorFile.Part(counts: classes!.all.map { $0.count * width }) { body in
              let rows = entry.isTransposed ? Matrix(values, width, own.outputCount).transposed().elements : values
              try rows.withElements { try body(UnsafeRawBufferPointer($0)) }
            }
          ]))
    }
  }

  /// Adds a vector as a file has it: as it is in memory.
  private func add<Scalar: BLASScalar>(
    _ name: String, _ vector: Vector<Scalar>, _ extent: Extent, to file: inout SharedTensorFile
  ) {
    let all = classes!.all
    func part(_ counts: [Int], runs: Int = 1, _ values: Vector<Scalar>) -> SharedTensorFile.Part {
      SharedTensorFile.Part(counts: counts, runs: runs) { body in
        try values.withElements { try body(UnsafeRawBufferPointer($0)) }
      }
    }
    let parts: [SharedTensorFile.Part]
    switch extent {
    case .parameters:
      parts = own.layout.entries.enumerated().map { index, entry in
        let width = network.layout.entries[index].range.count / network.outputCount
        return part(all.map { $0.count * width }, runs: entry.isTransposed ? width : 1, vector[entry.range])
      }
    case .classes: parts = [part(all.map(\.count), vector)]
    case .inputs:
      // Rank 0's are those of all.
      parts = [part(all.indices.map { $0 == 0 ? vector.count : 0 }, vector[0..<(classes!.isFirst ? vector.count : 0)])]
    }
    file.add(
      SharedTensorFile.Entry(
        name: name, dtype: Tensor.type(of: Scalar.self), shape: [count(extent, own: vector.count)], parts: parts))
  }
}
