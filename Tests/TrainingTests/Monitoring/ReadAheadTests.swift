import Datasets
import LinearAlgebra
import Networks
import Testing

@testable import Training

@Suite struct ReadAheadTests {
  let folder = TemporaryFolder()

  /// Examples in a file, where row i begins with i, and a memory that is too small for them.
  private func data(_ count: Int, columns: Int = 600) throws -> TrainingData {
    let values = Vector((0..<count * columns).map { Float($0 % columns == 0 ? $0 / columns : 1) })
    try NPY.write(Matrix(values, count, columns), to: folder.path("x.npy"))
    let features = try FeatureMatrix(path: folder.path("x.npy"))
    let set = Dataset(features: features, labels: [Int32](repeating: 0, count: count), classCount: 2)
    return TrainingData(
      train: set, test: nil, normalization: .none, classCount: 2, memory: count * columns * 5)
  }

  /// The first feature of all rows that a rank reads in its steps from `first` on.
  private func rows(
    _ readAhead: inout ReadAhead, _ sampler: BatchSampler, _ partition: RowPartition, _ steps: Range<Int>
  ) throws -> [[Int]] {
    var sampler = sampler
    return try steps.map { step in
      let (epoch, batch) = sampler.position(ofStep: step)
      let own = partition.own(of: sampler.batch(epoch: epoch, step: batch))
      let read = try readAhead.read(own, step: step) { features, rows in
        let target = Matrix<Float>(zeros: rows.count, features.columns)
        features.matrix!.gather(rows: rows, into: target, normalization: .none)
        return (0..<rows.count).map { Int(target[$0, 0]) }
      }
      #expect(read == Array(own))
      return read
    }
  }

  @Test(arguments: [(1, nil), (2, nil), (3, nil), (2, 3), (5, 3)], [(1, 1), (6, 4), (16, 5)])
  func `A step has its rows, whatever was read before`(_ ranks: (Int, Int?), _ shuffle: (block: Int, window: Int))
    throws
  {
    let data = try data(197)
    let sampler = BatchSampler(
      count: 197, batchSize: .rows(10), seed: 3, shuffle: .init(block: shuffle.block, window: shuffle.window))
    // Two and a half epochs; the last batch of an epoch has 7 rows.
    let steps = 50
    #expect(ReadAhead.windowSize(data, sampler) == (shuffle.block == 1 ? 0 : shuffle.window * 10 * 2400))
    for rank in 0..<ranks.0 {
      let partition = RowPartition(rank: rank, ranks: ranks.0, virtualShards: ranks.1)
      var readAhead = ReadAhead(data.train.features, of: data, sampler, partition, steps: steps)
      #expect(readAhead.isOn)
      let all = try rows(&readAhead, sampler, partition, 0..<steps)
      if ranks.0 == 1 { #expect(Set(all[0..<20].joined()).count == 197) }
      // Resumes in the middle of a window.
      var resumed = ReadAhead(data.train.features, of: data, sampler, partition, steps: steps)
      #expect(try rows(&resumed, sampler, partition, 17..<steps) == Array(all[17...]))
    }
  }

  /// Probabilities of 100 classes in a file beside the features, where row i has the fraction i/n for its first class.
  private func softData(_ count: Int) throws -> TrainingData {
    _ = try data(count, columns: 50)
    let values = Vector<Float>(zeros: count * 100)
    for row in 0..<count {
      values[row * 100] = Float(row) / Float(count)
      values[row * 100 + 99] = 1 - values[row * 100]
    }
    try NPY.write(Matrix(values, count, 100), to: folder.path("t.npy"))
    return TrainingData(
      train: try Dataset(features: FileList(folder.path("x.npy")), labels: FileList(folder.path("t.npy"))), test: nil,
      normalization: .none, classCount: 100, memory: 77_000)
  }

  @Test(arguments: [(1, 1), (6, 2)], [(1, nil), (3, nil), (2, 3)])
  func `Labels that are probabilities are read as features are`(
    _ shuffle: (block: Int, window: Int), _ ranks: (Int, Int?)
  ) throws {
    let data = try softData(97)
    #expect(data.exceedsMemory && data.facts.rowSize == 600)
    var sampler = BatchSampler(
      count: 97, batchSize: .rows(10), seed: 3, shuffle: .init(block: shuffle.block, window: shuffle.window))
    // Windows of both are within a quarter of the memory, or none is read.
    #expect(ReadAhead.windowSize(data, sampler) == (shuffle.block == 1 ? 0 : 12_000))
    var cramped = data
    cramped.memory = 47_000
    #expect(ReadAhead.windowSize(cramped, sampler) == 0)
    for data in [data, cramped] {
      for rank in 0..<ranks.0 {
        let partition = RowPartition(rank: rank, ranks: ranks.0, virtualShards: ranks.1)
        var reader = try #require(TargetReader<Double>(data, sampler, partition, steps: 25))
        for step in 0..<25 {
          let (epoch, batch) = sampler.position(ofStep: step)
          let own = partition.own(of: sampler.batch(epoch: epoch, step: batch))
          let targets = try reader.gather(own, step: step)
          #expect(targets.rows == own.count && targets.columns == 100)
          for (place, row) in own.enumerated() {
            #expect(abs(targets[place, 0] - Double(Float(row) / 97)) < 1e-6)
          }
        }
      }
    }
  }

  @Test func `Windows that do not fit are not read`() throws {
    let data = try data(100)
    for (block, window, size) in [(4, 2, 48_000), (4, 4, 0), (1, 9, 0)] {
      let sampler = BatchSampler(
        count: 100, batchSize: .rows(10), seed: 3, shuffle: .init(block: block, window: window))
      #expect(ReadAhead.windowSize(data, sampler) == size)
      var readAhead = ReadAhead(data.train.features, of: data, sampler, RowPartition(), steps: 20)
      _ = try rows(&readAhead, sampler, RowPartition(), 0..<20)
    }
    let full = BatchSampler(count: 100, batchSize: .full, seed: 3, shuffle: .init(block: 4, window: 2))
    #expect(ReadAhead.windowSize(data, full) == 0)
    #expect(!ReadAhead(data.train.features, of: data, full, RowPartition(), steps: 20).isOn)
  }

  @Test(
    arguments: [
      // 256 kB are 109 rows of 2400 bytes; an eighth of the memory is 60 kB, or 2 batches.
      ([], 480_000, 109, 2), (["training.shuffle_block=8"], 480_000, 8, 2),
      (["training.shuffle_window=3"], 480_000, 109, 3),
      (["training.reproducible=true"], 480_000, 1, 1), (["training.stratify=true"], 480_000, 1, 1),
      (["optimizer.batch_size=full"], 480_000, 1, 1), (["optimizer.batch_size=9223372036854775807"], 480_000, 1, 1),
      ([], 1_000_000, 1, 1), (["training.shuffle_block=2"], 10_000_000, 2, 2),
    ] as [([String], Int, Int, Int)])
  func `Blocks and windows follow from the memory where none are given`(
    _ settings: [String], memory: Int, block: Int, window: Int
  ) throws {
    var data = try data(200)
    data.memory = memory
    let configuration = try Configuration.parse("", source: "", overrides: ["optimizer.batch_size=12"] + settings)
      .resolved(for: data.facts)
    #expect(configuration.training.shuffleBlock == block)
    #expect(configuration.training.shuffleWindow == window)
    // What is written out stays what it is.
    #expect(try Configuration.parse(configuration.yaml, source: "").resolved(for: data.facts) == configuration)
  }
}
