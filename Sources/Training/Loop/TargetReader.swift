import Datasets
import LinearAlgebra
import Networks

/// Gathers the probabilities of this rank's rows of a batch, which are read ahead as features are.
struct TargetReader<Scalar: BLASScalar> {
  private let room: Matrix<Scalar>
  /// Memory for the columns of this rank's classes; nil where it has all.
  private let own: (classes: Range<Int>, room: Matrix<Scalar>)?
  private var readAhead: ReadAhead

  /// nil for examples whose labels are one class each.
  ///
  /// - Parameter classes: the classes of this rank, where ranks share them out.
  init?(
    _ data: TrainingData, _ sampler: BatchSampler, _ partition: RowPartition, steps: Int, classes: Range<Int>? = nil
  ) {
    guard let probabilities = data.train.probabilities else { return nil }
    let rows = partition.capacity(of: sampler.batchSize)
    room = Matrix(zeros: rows, probabilities.classCount)
    own = classes.map { ($0, Matrix(zeros: rows, $0.count)) }
    readAhead = ReadAhead(.dense(probabilities.values), of: data, sampler, partition, steps: steps)
  }

  /// The probabilities of this rank's `rows` of step `step` (#b × C, or its classes): good until the next call. Throws exit code 65, 66 or
  /// 74.
  mutating func gather(_ rows: ArraySlice<Int>, step: Int) throws -> Matrix<Scalar> {
    let target = room[rows: 0..<rows.count]
    try readAhead.read(rows, step: step) { read, places in
      ClassProbabilities(checked: read.matrix!).gather(rows: places, into: target)
    }
    guard let own else { return target }
    return target.columns(own.classes, in: own.room)
  }
}
