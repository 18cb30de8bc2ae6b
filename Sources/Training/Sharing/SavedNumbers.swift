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
      case .memory(let name, let vector): add(RunState.memoryPrefix + name, vector, extent(of: name), to: &file)
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
      let (rows, width) = (rows(of: whole), whole.range.count / whole.shape[0])
      let given = rows[classes!.rank]
      let values = vector[entry.range.prefix(given * width)]
      file.add(
        SharedTensorFile.Entry(
          name: prefix + whole.name, dtype: Tensor.type(of: Scalar.self), shape: whole.shape,
          parts: [
            SharedTensorFile.Part(counts: rows.map { $0 * width }) { body in
              let rows = entry.isTransposed ? Matrix(values, width, given).transposed().elements : values
              try rows.withElements { try body(UnsafeRawBufferPointer($0)) }
            }
          ]))
    }
  }

  /// Adds a vector as a file has it: as it is in memory.
  private func add<Scalar: BLASScalar>(
    _ name: String, _ vector: Vector<Scalar>, _ extent: Extent, to file: inout SharedTensorFile
  ) {
    func part(_ counts: [Int], runs: Int = 1, _ values: Vector<Scalar>) -> SharedTensorFile.Part {
      let own = values[0..<counts[classes!.rank]]
      return SharedTensorFile.Part(counts: counts, runs: runs) { body in
        try own.withElements { try body(UnsafeRawBufferPointer($0)) }
      }
    }
    let parts: [SharedTensorFile.Part]
    switch extent {
    case .parameters:
      parts = zip(own.layout.entries, network.layout.entries).map { entry, whole in
        let width = whole.range.count / whole.shape[0]
        return part(
          rows(of: whole).map { $0 * width }, runs: entry.isTransposed && network.isOfHead(whole) ? width : 1,
          vector[entry.range])
      }
    case .classes: parts = [part(classes!.all.map(\.count), vector)]
    case .replicated: parts = [part(ofFirst(vector.count), vector)]
    }
    file.add(
      SharedTensorFile.Entry(
        name: name, dtype: Tensor.type(of: Scalar.self), shape: [count(extent, own: vector.count)], parts: parts))
  }

  /// How many rows of a tensor of the network each rank gives: of the head those of its classes; of other layers rank 0 gives
  /// all, which all have.
  private func rows(of entry: ParameterLayout.Entry) -> [Int] {
    network.isOfHead(entry) ? classes!.all.map(\.count) : ofFirst(entry.shape[0])
  }

  private func ofFirst(_ count: Int) -> [Int] { classes!.all.indices.map { $0 == 0 ? count : 0 } }
}
