import Dispatch
import Foundation
import LinearAlgebra
import Synchronization
import TestSupport
import Testing

@Suite struct ThreadsTests {
  func recommended(_ environment: [String: String], affinity: Int = 8, sharing: Int = 1) -> Int {
    Threads.recommended(environment: environment, affinityCount: affinity, processesSharingMask: sharing)
  }

  @Test func `The environment of OpenBLAS comes before that of OpenMP, and both before the mask`() {
    #expect(recommended(["OPENBLAS_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"]) == 3)
    #expect(recommended(["OMP_NUM_THREADS": "5"]) == 5)
    #expect(recommended([:]) == 8)
    #expect(recommended(["OPENBLAS_NUM_THREADS": "3"], affinity: 1, sharing: 4) == 3)
  }

  @Test(arguments: ["", "0", "-2", "many", "2.5"])
  func `A number of threads that makes no sense is passed over`(value: String) {
    #expect(recommended(["OPENBLAS_NUM_THREADS": value]) == 8)
    #expect(recommended(["OPENBLAS_NUM_THREADS": value, "OMP_NUM_THREADS": "4"]) == 4)
  }

  @Test func `Processes share the mask evenly, and each has a thread at least`() {
    #expect(recommended([:], affinity: 8, sharing: 2) == 4)
    #expect(recommended([:], affinity: 8, sharing: 3) == 2)
    #expect(recommended([:], affinity: 2, sharing: 5) == 1)
    #expect(recommended([:], affinity: 0, sharing: 1) == 1)
    #expect(recommended([:], affinity: 4, sharing: 0) == 4)
  }

  @Test func `This process may run somewhere`() {
    let affinity = Threads.affinity
    #expect(!affinity.isEmpty)
    #expect(affinity == Set(affinity).sorted())
  }

  @Test func `Kernels are chosen where OpenBLAS does not know the processor, unless the user did`() throws {
    #expect(!Kernels.name.isEmpty)
    #expect(["OpenBLAS ", "MKL ", "BLIS ", "a BLAS"].contains { Kernels.library.hasPrefix($0) })
    let flags = Set(
      try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8).split(whereSeparator: \.isWhitespace))
    let better = Kernels.better(than: "Prescott", environment: [:])
    #expect((better != nil) == flags.isSuperset(of: ["avx2", "fma"]))
    #expect((better == "SkylakeX") == flags.isSuperset(of: ["fma", "avx512f", "avx512dq", "avx512bw", "avx512vl"]))
    #expect(Kernels.better(than: "Zen", environment: [:]) == nil)
    #expect(Kernels.better(than: "Prescott", environment: ["OPENBLAS_CORETYPE": "Nehalem"]) == nil)
  }

  @Test func `Numbers of threads hold for the calling thread alone`() {
    let others = Threads.count
    withThreads(others + 4, pieces: 7) {
      Threads.with(count: 2) { #expect(Threads.count == 2 && Threads.pieces == nil) }
      #expect(Threads.count == others + 4 && Threads.pieces == 7)
      let isDone = DispatchSemaphore(value: 0)
      Thread.detachNewThread {
        #expect(Threads.count == others && Threads.pieces == nil)
        isDone.signal()
      }
      isDone.wait()
    }
    #expect(Threads.count == others && Threads.pieces == nil)
  }

  /// The ranges that `parallel` passes on, in order.
  func ranges(_ count: Int, grain: Int, threads: Int, pieces: Int? = nil) -> [Range<Int>] {
    withThreads(threads, pieces: pieces) {
      let seen = Mutex<[Range<Int>]>([])
      Threads.parallel(count, grain: grain) { range in seen.withLock { $0.append(range) } }
      return seen.withLock { $0 }.sorted { $0.lowerBound < $1.lowerBound }
    }
  }

  @Test(arguments: [0, 1, 2, 7, 100, 1001], [0, 1, 3, 40, 5000])
  func `A parallel loop covers each index exactly once`(count: Int, grain: Int) {
    for threads in [1, 2, 3, 7] {
      let ranges = ranges(count, grain: grain, threads: threads)
      #expect(ranges.flatMap(Array.init) == Array(0..<count))
      #expect(ranges.count <= threads)
      // No thread has less work than is worth it, unless it is the only one.
      if ranges.count > 1 { #expect(ranges.allSatisfy { $0.count >= grain }) }
    }
  }

  @Test func `A parallel loop uses all threads once there is enough to do`() {
    #expect(ranges(9, grain: 3, threads: 3).count == 3)
    #expect(ranges(8, grain: 3, threads: 3).count == 2)
    #expect(ranges(5, grain: 3, threads: 3).count == 1)
    #expect(ranges(1000, grain: 1, threads: 4).map(\.count) == [250, 250, 250, 250])
  }

  @Test(arguments: [0, 1, 2, 7, 100, 1001], [1, 3, 40])
  func `Loops in a fixed number of pieces are cut alike on any number of threads`(count: Int, grain: Int) {
    let expected = ranges(count, grain: grain, threads: 5)
    for threads in [1, 2, 3, 7] {
      #expect(ranges(count, grain: grain, threads: threads, pieces: 5) == expected)
    }
  }

  @Test(arguments: [1, 2, 3], [0, 1, 2, 12])
  func `Each item is done once, and is serial within`(threads: Int, count: Int) {
    for pieces in [nil, 8] {
      withThreads(threads, pieces: pieces) {
        let seen = Mutex<[Int: [Range<Int>]]>([:])
        Threads.forEach(count) { item in
          Threads.parallel(90, grain: 1) { range in seen.withLock { $0[item, default: []].append(range) } }
        }
        #expect(seen.withLock { $0 } == Dictionary(uniqueKeysWithValues: (0..<count).map { ($0, [0..<90]) }))
        #expect(Threads.serially { Threads.available } == 1)
      }
    }
  }

  @Test(arguments: [0, 1, 2, 7, 1000])
  func `Shared items are each done once, on the threads there are`(count: Int) {
    for threads in [1, 2, 3] {
      withThreads(threads) {
        let seen = Mutex<[(item: Int, thread: Int)]>([])
        Threads.share(count) { item, thread in seen.withLock { $0.append((item, thread)) } }
        let all = seen.withLock { $0 }
        #expect(all.map(\.item).sorted() == Array(0..<count))
        #expect(all.allSatisfy { (0..<threads).contains($0.thread) })
      }
    }
  }

  @Test func `A loop within a loop is not split again`() {
    withThreads(3) {
      let seen = Mutex<[Range<Int>]>([])
      Threads.parallel(3, grain: 1) { _ in
        Threads.parallel(90, grain: 1) { range in seen.withLock { $0.append(range) } }
      }
      #expect(seen.withLock { $0 } == [0..<90, 0..<90, 0..<90])
    }
    // Outside the parallel loop there are several.
    #expect(ranges(6, grain: 1, threads: 3).count == 3)
  }

  @Test func `Loops from several callers at once are all done, also by threads that sleep between them`() {
    withThreads(3) {
      let total = Mutex(0)
      DispatchQueue.concurrentPerform(iterations: 4) { _ in
        Threads.with(count: 3) {
          for pause in 0..<200 {
            Threads.parallel(64, grain: 1) { range in total.withLock { $0 += range.count } }
            // This is longer than the threads spin.
            if pause % 50 == 49 { usleep(5000) }
          }
        }
      }
      #expect(total.withLock { $0 } == 4 * 200 * 64)
    }
  }
}
