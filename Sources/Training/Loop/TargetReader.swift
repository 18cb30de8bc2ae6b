import Datasets
import LinearAlgebra
import Networks

/// Gathers the probabilities of this rank's rows of a batch, which are read ahead as features are.
struct TargetReader<Scalar: BLASScalar> {
  private let room: Matrix<Scalar>
  private var readAhead: ReadAhead

  /// nil for examples whose labels are one class each.
  init?(_ data: TrainingData, _ sampler: BatchSampler, _ partition: RowPartition, steps: Int) {
    guard let probabilities = data.train.probabilities else { return nil }
    room = Matrix(zeros: partition.capacity(of: sampler.batchSize), probabilities.classCount)
    readAhead = ReadAhead(.dense(probabilities.values), of: data, sampler, partition, steps: steps)
  }

  /// The probabilities of this rank's `rows` of step `step` (#b × C): good until the next call. Throws exit code 65, 66 or
  /// 74.
  mutating func gather(_ rows: ArraySlice<Int>, step: Int) throws -> Matrix<Scalar> {
    let target = room[rows: 0..<rows.count]
    try readAhead.read(rows, step: step) { read, places in
      ClassProbabilities(checked: read.matrix!).gather(rows: places, into: target)
    }
    return target
  }
}
